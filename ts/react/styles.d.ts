/** The style sheet of the monitor; the build writes this module from monitor.css. */
export declare const styles: string

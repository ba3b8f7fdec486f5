/** What to do about an error of a running app, by its code; the build writes this module from support/error-table.ts. */
export declare const errorAdvice: Readonly<Record<string, string>>

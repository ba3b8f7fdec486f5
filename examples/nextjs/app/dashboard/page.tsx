import { redirect } from 'next/navigation'
import { connection } from 'next/server'
import { TokenMonitor } from 'evertoken/react'
import { isAdmin } from '@/lib/admin'

export default async function Page() {
  await connection()
  if (!(await isAdmin())) redirect('/sign-in')
  return (
    <>
      <h1>Dashboard</h1>
      <TokenMonitor endpoint="/api/token" refreshIntervalMs={5000} />
    </>
  )
}

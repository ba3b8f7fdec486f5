import { headers } from 'next/headers'
import { redirect } from 'next/navigation'
import { signIn } from '@/lib/admin'
import { SignInForm } from './form'

async function submit(form: FormData) {
  'use server'
  const isHttps = (await headers()).get('x-forwarded-proto') === 'https'
  redirect((await signIn(String(form.get('secret')), isHttps)) ? '/dashboard' : '/sign-in?failed')
}

export default async function Page({ searchParams }: { searchParams: Promise<{ failed?: string }> }) {
  const hasFailed = (await searchParams).failed !== undefined
  return (
    <>
      <h1>Sign in</h1>
      {hasFailed && <p role="alert">That is not the admin secret.</p>}
      <SignInForm action={submit} />
    </>
  )
}

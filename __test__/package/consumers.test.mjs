// The packed tarballs in projects like a user's own: what is installed, and that every way of using it works.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { thisPlatform } from '../../scripts/support/platforms.mjs'
import { readManifest, root } from '../../scripts/support/root.mjs'
import { typescriptConsumer } from '../support/package-consumer-types.mjs'
import { createProject, filesIn, packedTarballs } from '../support/package-project.mjs'
import { startMockTokenServer } from 'evertoken/testing'

const MOST_BYTES_OF_ADDON = 8_000_000

const manifest = readManifest()
const platform = thisPlatform(manifest)

let tarballs
let tokenServer
before(async () => {
  tarballs = await packedTarballs()
  tokenServer = await startMockTokenServer()
})
after(() => tokenServer?.close())

/** One token request was made by what `use` does, no more. */
async function withOneTokenRequest(use) {
  const earlier = tokenServer.tokenRequests.length
  await use({ TOKEN_URL: tokenServer.tokenUrl })
  assert.equal(tokenServer.tokenRequests.length - earlier, 1)
}

const CONFIG = `{
  authUrl: process.env.TOKEN_URL,
  clientId: 'client',
  clientSecret: 'secret',
  storage: { kind: 'memory' }
}`

describe('with only the tarballs', () => {
  let project
  let home
  before(async () => {
    // Offline: what is not in the tarballs cannot come from anywhere.
    project = await createProject(tarballs, ['--offline'])
    home = join(project.folder, 'node_modules', 'evertoken')
  })
  after(() => project?.remove())

  test('the package holds exactly the expected files', async () => {
    const documentation = ['docs', 'docs/errors', 'docs/providers'].flatMap((folder) =>
      readdirSync(join(root, folder))
        .filter((name) => name.endsWith('.md'))
        .map((name) => `${folder}/${name}`),
    )
    const compiled = sourcesIn('ts').flatMap((path) => outputsOf(path))
    const expected = [
      'LICENSE',
      'README.md',
      ...documentation,
      'edge.js',
      'index.d.ts',
      'index.js',
      'lib/core.js',
      'native/index.cjs',
      'native/index.d.cts',
      'package.json',
      ...compiled,
    ]
    const installed = await filesIn(home)
    const optional = (path) =>
      /^lib\/.*\.(d\.ts|d\.mts|map)$/.test(path) || /^lib\/react\/(cjs\/)?package\.json$/.test(path)
    assert.deepEqual(
      installed.filter((path) => !optional(path)),
      expected.sort(),
    )
    // Declarations are there for what users import, and each belongs to a compiled file.
    for (const path of installed.filter((each) => /\.d\.m?ts$/.test(each) && each.startsWith('lib/'))) {
      assert.ok(installed.includes(path.replace(/\.d\.(m?)ts$/, '.$1js')), path)
    }
    assert.deepEqual(
      installed.filter((path) => /\.(node|rs|tsx?)$|\.test\./.test(path) && !path.endsWith('.d.ts')),
      [],
    )
  })

  test('the addon package holds the addon and no code that runs by itself', async () => {
    const folder = join(project.folder, 'node_modules', platform.packageName)
    assert.deepEqual(
      await filesIn(folder),
      ['LICENSE', 'README.md', 'THIRD-PARTY-NOTICES.txt', platform.addon, 'package.json'].sort(),
    )
    assert.equal(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).scripts, undefined)
    const notices = readFileSync(join(folder, 'THIRD-PARTY-NOTICES.txt'), 'utf8')
    for (const name of ['rustls', 'hyper', 'ring', 'subtle'])
      assert.match(notices, new RegExp(`^${name} \\d`, 'm'))
    for (const place of [root, homedir()]) assert.ok(!notices.includes(place), place)
  })

  test('the addon has at most the size that docs/decisions/0014 allows', {
    skip: platform.platform !== 'linux-x64-gnu' && 'measured for Linux on x64 with glibc',
  }, () => {
    const { size } = statSync(join(project.folder, 'node_modules', platform.packageName, platform.addon))
    assert.ok(size < MOST_BYTES_OF_ADDON, `${size} bytes`)
  })

  test('no packed text contains a build path', async () => {
    for (const path of await filesIn(home)) {
      const text = readFileSync(join(home, path), 'utf8')
      for (const place of [root, homedir()]) assert.ok(!text.includes(place), `${path} holds ${place}`)
    }
  })

  test('`npm ci` accepts the lock file of the installation', async () => {
    await project.npm('ci', '--offline')
    assert.ok((await filesIn(home)).includes('index.js'))
  })

  test('`require` gets a header', async () => {
    await project.write({
      'consumer.cjs': `
        const { initializeTokenService, getAuthHeaders } = require('evertoken')
        initializeTokenService(${CONFIG})
        getAuthHeaders().then(({ Authorization }) => console.log(Authorization))`,
    })
    await withOneTokenRequest(async (env) => {
      const { code, stdout, stderr } = await project.node(['consumer.cjs'], env)
      assert.match(stdout, /^Bearer access-\S+\n$/, stderr)
      assert.equal(code, 0, stderr)
    })
  })

  test('`import` gets a header, from the same instance as `require`', async () => {
    await project.write({
      'consumer.mjs': `
        import { createRequire } from 'node:module'
        import evertoken, { initializeTokenService, getAuthHeaders, getTokenService, TokenError } from 'evertoken'
        const required = createRequire(import.meta.url)('evertoken')
        const service = initializeTokenService(${CONFIG})
        const { Authorization } = await getAuthHeaders()
        console.log(JSON.stringify({
          Authorization,
          sameModule: required === evertoken && required.TokenError === TokenError,
          sameService: required.getTokenService().name === service.name && getTokenService() !== null,
          sameHeaders: (await required.getAuthHeaders()).Authorization === Authorization
        }))`,
    })
    await withOneTokenRequest(async (env) => {
      const { code, stdout, stderr } = await project.node(['consumer.mjs'], env)
      assert.equal(code, 0, stderr)
      const { Authorization, ...same } = JSON.parse(stdout)
      assert.match(Authorization, /^Bearer access-\S+$/)
      assert.deepEqual(same, { sameModule: true, sameService: true, sameHeaders: true })
    })
  })

  test('a wrong configuration is a TokenError with a code and the field', async () => {
    await project.write({
      'wrong.cjs': `
        const { initializeTokenService, TokenError } = require('evertoken')
        try {
          initializeTokenService({ authUrl: 'ftp://example.com', clientId: 'client', clientSecret: 'secret' })
        } catch (error) {
          console.log(JSON.stringify([error instanceof TokenError, error.code, error.field]))
        }`,
    })
    const { stdout, stderr } = await project.node(['wrong.cjs'])
    assert.equal(stdout.trim(), '[true,"ERR_TOKEN_CONFIG","authUrl"]', stderr)
  })

  test('the command is there', async () => {
    const { output } = await project.npm('exec', '--offline', '--call', 'evertoken keygen')
    assert.match(output, /^[\w-]{43}$/m)
  })

  test('evertoken/next works without Next.js', async () => {
    const { stdout, stderr } = await project.node([
      '--input-type=module',
      '--eval',
      `
      import * as next from 'evertoken/next'
      console.log(typeof next.createTokenRoutes, typeof next.withEvertoken)
      console.log(JSON.stringify(next.withEvertoken({ output: 'standalone' })))`,
    ])
    const [kinds, config] = stdout.split('\n')
    assert.equal(kinds, 'function function', stderr)
    assert.equal(JSON.parse(config).output, 'standalone')
    assert.ok(JSON.parse(config).serverExternalPackages.includes('evertoken/native'))
  })

  for (const condition of ['edge-light', 'workerd', 'browser']) {
    test(`under the condition ${condition} the error says in one sentence what to set`, async () => {
      const { code, stderr } = await project.node([
        `--conditions=${condition}`,
        '--input-type=module',
        '--eval',
        `import 'evertoken'`,
      ])
      assert.notEqual(code, 0)
      assert.match(stderr, /edge\.js/)
      assert.match(stderr, /runtime/)
      assert.match(stderr, /nodejs/)
    })
  }

  test('without the addon package it says what is missing', async () => {
    await rm(join(project.folder, 'node_modules', platform.packageName), { recursive: true })
    const { code, stderr } = await project.node(
      ['--eval', `require('evertoken').initializeTokenService(${CONFIG})`],
      { TOKEN_URL: tokenServer.tokenUrl },
    )
    assert.notEqual(code, 0)
    assert.match(stderr, new RegExp(platform.packageName))
  })
})

describe('with the tools of a real project', () => {
  let project
  before(async () => {
    project = await createProject(
      [
        ...tarballs,
        'typescript@7',
        'typescript-5@npm:typescript@5.9',
        'esbuild@0.28',
        '@types/node@20',
        'react@19',
        'react-dom@19',
        '@types/react@19',
      ],
      ['--prefer-offline'],
    )
  })
  after(() => project?.remove())

  const bin = (...path) => join(project.folder, 'node_modules', ...path)

  test('evertoken/react renders on a server', async () => {
    await project.write({
      'react.mjs': `
        import { createElement } from 'react'
        import { renderToString } from 'react-dom/server'
        import { TokenMonitor, useTokenStatus } from 'evertoken/react'
        console.log(typeof useTokenStatus)
        console.log(renderToString(createElement(TokenMonitor, { endpoint: '/api/token' })))`,
    })
    const { code, stdout, stderr } = await project.node(['react.mjs'])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^function\n<\w+/)
  })

  // `node10` is what `module: commonjs` means up to TypeScript 5.9; later versions do not have it.
  const resolutions = [
    ['node16', 'node16', 'typescript'],
    ['bundler', 'preserve', 'typescript'],
    ['node10', 'commonjs', 'typescript-5'],
  ]
  for (const [moduleResolution, module, typescript] of resolutions) {
    test(`TypeScript compiles against it with moduleResolution ${moduleResolution}`, async () => {
      const folder = `types-${moduleResolution}`
      await project.write({
        ...Object.fromEntries(
          Object.entries(typescriptConsumer).map(([name, text]) => [`${folder}/${name}`, text]),
        ),
        [`${folder}/package.json`]: '{ "type": "module" }',
        [`${folder}/tsconfig.json`]: JSON.stringify({
          compilerOptions: {
            module,
            moduleResolution,
            target: 'es2022',
            lib: ['es2022', 'dom', 'dom.iterable'],
            jsx: 'react-jsx',
            types: ['node'],
            strict: true,
            noEmit: true,
          },
        }),
      })
      const { code, stdout, stderr } = await project.node([
        bin(typescript, 'bin', 'tsc'),
        '--project',
        folder,
      ])
      assert.equal(code, 0, stdout + stderr)
    })
  }

  /** Bundles a program with esbuild, and resolves with the folder of what it made: `out.cjs` or `out.mjs`. */
  async function bundled(name, format, options) {
    const extension = format === 'esm' ? 'mjs' : 'cjs'
    const use = `initializeTokenService(${CONFIG}).getAuthHeaders().then(({ Authorization }) => console.log(Authorization))`
    await project.write({
      [`${name}/in.mjs`]: `import { initializeTokenService } from 'evertoken'\n${use}`,
      [`${name}/build.mjs`]: `
        import { fileURLToPath } from 'node:url'
        import { build } from 'esbuild'
        const folder = new URL('.', import.meta.url)
        await build({
          entryPoints: [fileURLToPath(new URL('in.mjs', folder))],
          outfile: fileURLToPath(new URL('out/out.${extension}', folder)),
          bundle: true,
          platform: 'node',
          format: '${format}',
          logLevel: 'error',
          ...${JSON.stringify(options)}
        })`,
    })
    const { code, stderr } = await project.node([`${name}/build.mjs`])
    return { code, stderr, out: `${name}/out`, main: `out.${extension}` }
  }

  async function assertGetsHeader(folder, main) {
    await withOneTokenRequest(async (env) => {
      const { code, stdout, stderr } = await project.node([join(folder, main)], env)
      assert.match(stdout, /^Bearer access-\S+\n$/, stderr)
      assert.equal(code, 0, stderr)
    })
  }

  test('a program bundled by esbuild with evertoken external gets a header', async () => {
    for (const format of ['cjs', 'esm']) {
      const { code, stderr, out, main } = await bundled(`external-${format}`, format, {
        external: ['evertoken'],
      })
      assert.equal(code, 0, stderr)
      await assertGetsHeader(join(project.folder, out), main)
    }
  })

  test('a program bundled by esbuild with its copy loader gets a header without the package', async () => {
    const banner = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`
    for (const [format, more] of [
      ['cjs', {}],
      ['esm', { banner: { js: banner } }],
    ]) {
      const { code, stderr, out, main } = await bundled(`copied-${format}`, format, {
        loader: { '.node': 'copy' },
        ...more,
      })
      assert.equal(code, 0, stderr)
      const away = await mkdtemp(join(tmpdir(), 'evertoken-bundle-'))
      await cp(join(project.folder, out), away, { recursive: true })
      await assertGetsHeader(away, main)
      await rm(away, { recursive: true, force: true, maxRetries: 3 })
    }
  })

  test('esbuild without either option fails with an error that the documentation contains', async () => {
    const { code, stderr } = await bundled('plain', 'cjs', {})
    assert.notEqual(code, 0)
    const [said] = /No loader is configured for "\.node" files/.exec(stderr)
    const page = readFileSync(
      join(project.folder, 'node_modules', 'evertoken', 'docs', 'bundling.md'),
      'utf8',
    )
    assert.ok(
      page.includes(said) && page.includes('--external:evertoken') && page.includes('--loader:.node=copy'),
    )
  })
})

const sourcesIn = (folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /\.tsx?$/.test(path))

/**
 * The files that the build makes of a source: the same name under lib/, those for React in two forms. A declaration
 * stands for a module that the build writes from data.
 */
const outputsOf = (path) => {
  const output = path.replace(/(\.d)?\.tsx?$/, '.js')
  return path.startsWith('react/')
    ? [`lib/${output}`, `lib/${output.replace('react/', 'react/cjs/')}`]
    : [`lib/${output}`]
}

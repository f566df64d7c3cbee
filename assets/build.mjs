// Builds dist/, the folder that embed.go puts into the binary. `npm ci --prefix assets` runs this after
// installing. The same sources always give the same bytes.
import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { brotliCompressSync, constants, gzipSync } from "node:zlib"
import { build } from "esbuild"

const root = new URL("./", import.meta.url)
const dist = new URL("dist/", root)
// A build that fails half-way leaves no dist/ behind, so the Go build fails too instead of embedding half of it.
const unfinished = new URL("dist.tmp/", root)

// The first browsers that know light-dark() together with CSS nesting.
const browsers = ["chrome123", "firefox120", "safari17.5"]

const manyPasswords = 50_000
const shortestPassword = 8 // as models.PasswordMin: shorter ones are refused without a list

async function bundle(entry) {
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(root),
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    outdir: fileURLToPath(dist),
    target: browsers,
    legalComments: "none",
    logLevel: "warning",
  })
  return outputFiles[0].contents
}

function hashedName(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 10)
  const dot = name.lastIndexOf(".")
  return `${name.slice(0, dot)}-${hash}${name.slice(dot)}`
}

// Compressed once here, at levels too slow for answering requests.
function encodings(content) {
  const options = {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
    },
  }
  return new Map([
    ["", content],
    [".br", brotliCompressSync(content, options)],
    [".gz", gzipSync(content, { level: constants.Z_BEST_COMPRESSION })],
  ])
}

async function writeAsset(name, content) {
  const hashed = hashedName(name, content)
  for (const [suffix, encoded] of encodings(content)) {
    if (suffix === "" || encoded.length < content.length) {
      await writeFile(new URL(hashed + suffix, unfinished), encoded)
    }
  }
  return hashed
}

function webManifest(manifest) {
  const icon = (name, purpose) => {
    if (!manifest.has(name)) throw new Error(`icons/${name} is missing`)
    return { src: manifest.get(name), sizes: "any", type: "image/svg+xml", purpose }
  }
  return Buffer.from(
    JSON.stringify({
      id: "/",
      name: "Twite",
      short_name: "Twite",
      start_url: "/",
      display: "standalone",
      background_color: "#fcfaf6",
      theme_color: "#fcfaf6",
      icons: [icon("icon.svg", "any"), icon("icon-maskable.svg", "maskable")],
    }),
  )
}

// Only those that the rules on length would let through, in the order of their bytes: Twite looks them up where they are.
async function commonPasswords() {
  const source = new URL("node_modules/@zxcvbn-ts/language-common/src/passwords.json", root)
  const ranked = JSON.parse(await readFile(source, "utf8")).map((password) => password.toLowerCase())
  const longEnough = ranked.filter((password) => [...password].length >= shortestPassword)
  const lines = [...new Set(longEnough)].slice(0, manyPasswords).map((password) => Buffer.from(password + "\n"))
  return Buffer.concat(lines.sort(Buffer.compare))
}

async function buildAll() {
  const manifest = new Map()
  const add = async (name, content) => manifest.set(name, await writeAsset(name, content))

  await add("app.js", await bundle("js/app.js"))
  await add("app.css", await bundle("css/app.css"))
  const icons = (await readdir(new URL("icons/", root))).filter((name) => name.endsWith(".svg")).sort()
  for (const name of icons) await add(name, await readFile(new URL(`icons/${name}`, root)))
  await add("manifest.webmanifest", webManifest(manifest))

  await writeFile(new URL("manifest.json", unfinished), JSON.stringify(Object.fromEntries(manifest), null, 2) + "\n")
  await writeFile(new URL("passwords.txt", unfinished), await commonPasswords())
}

await rm(dist, { recursive: true, force: true })
await rm(unfinished, { recursive: true, force: true })
await mkdir(unfinished)
try {
  await buildAll()
  await rename(unfinished, dist)
} catch (error) {
  await rm(unfinished, { recursive: true, force: true })
  throw error
}

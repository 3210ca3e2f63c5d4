// Says for each import on standard input, a JSON array of [file, specifier, form], whether Node itself would find it.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

const isThere = (url) => !url.startsWith('file:') || existsSync(fileURLToPath(url))

const finds = async ([file, specifier, form]) => {
  if (isBuiltin(specifier)) return true
  try {
    if (form === 'require') createRequire(file).resolve(specifier)
    else return isThere(await import.meta.resolve(specifier, pathToFileURL(file)))
    return true
  } catch {
    return false
  }
}

console.log(JSON.stringify(await Promise.all(JSON.parse(readFileSync(0, 'utf8')).map(finds))))

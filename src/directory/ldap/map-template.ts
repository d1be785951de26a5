/**
 * `%s`, `%u`, `%d`, `%S`, `%U`, `%D`, `%1` to `%9` of ldap_table(5): small letters stand for what a template is applied
 * to (the key in a query, a result in result_format), large ones and digits for the key.
 */
export interface TemplateNeeds {
  /** Of the key: a part before `@` that is not empty; a domain; labels of the domain. */
  readonly keyUser: boolean
  readonly keyDomain: boolean
  readonly keyLabels: number
  /** Of a result, likewise. */
  readonly resultUser: boolean
  readonly resultDomain: boolean
}

/** A template that ldap_table(5) does not know. */
export class TemplateRefused extends Error {}

/** What keys and results must have so that all templates of a map can be filled; others are not looked up, or left out. */
export function templateNeeds(queries: readonly string[], result: string): TemplateNeeds {
  const ofKey = queries.flatMap(specifiers)
  const ofResult = specifiers(result)
  const all = [...ofKey, ...ofResult]
  const labels = all.map((one) => (/[1-9]/.test(one) ? Number(one) : 0))
  const hasKey = (large: string, small: string) => all.includes(large) || ofKey.includes(small)
  return {
    keyUser: hasKey('U', 'u'),
    keyDomain: hasKey('D', 'd') || labels.some((one) => one > 0),
    keyLabels: Math.max(0, ...labels),
    resultUser: ofResult.includes('u'),
    resultDomain: ofResult.includes('d'),
  }
}

function specifiers(template: string): readonly string[] {
  return [...template.matchAll(/%(.?)/gs)].map(([, letter = '']) => {
    if (!/^[%sudSUD1-9]$/.test(letter))
      throw new TemplateRefused(`%${letter} is not known in ${JSON.stringify(template)}`)
    return letter
  })
}

/** An address at its last `@`; no domain where there is none. */
interface Halves {
  readonly whole: string
  readonly user: string
  readonly domain: string | undefined
}

function halvesOf(whole: string): Halves {
  const at = whole.lastIndexOf('@')
  if (at < 0) return { whole, user: whole, domain: undefined }
  return { whole, user: whole.slice(0, at), domain: whole.slice(at + 1) }
}

function lacks(
  { user, domain }: Halves,
  wants: { readonly user: boolean; readonly domain: boolean },
): boolean {
  return (wants.domain && (domain ?? '') === '') || (wants.user && domain !== undefined && user === '')
}

/**
 * Fills templates for one key. undefined where the key has not what they need: it is not looked up then, and has no
 * result.
 */
export class KeyTemplates {
  readonly #key: Halves
  readonly #needs: TemplateNeeds
  readonly #labels: readonly string[]

  private constructor(key: Halves, needs: TemplateNeeds, labels: readonly string[]) {
    this.#key = key
    this.#needs = needs
    this.#labels = labels
  }

  static of(key: string, needs: TemplateNeeds): KeyTemplates | undefined {
    if (key === '') return undefined
    const halves = halvesOf(key)
    if (lacks(halves, { user: needs.keyUser, domain: needs.keyDomain })) return undefined
    const labels = (halves.domain ?? '').split('.').toReversed()
    const wanted = labels.slice(0, needs.keyLabels)
    // Too few labels, or empty ones among those that are asked for.
    if (wanted.length < needs.keyLabels || wanted.includes('')) return undefined
    return new KeyTemplates(halves, needs, labels)
  }

  /** A query or a search base. `quote` is applied to what is put in, never to the template. */
  query(template: string, quote: (text: string) => string = (text) => text): string {
    return this.#fill(template, this.#key, quote)
  }

  /** A result in the form of result_format; undefined where the result has not what that needs. */
  result(format: string, value: string): string | undefined {
    const halves = halvesOf(value)
    const { resultUser, resultDomain } = this.#needs
    if (value === '' || lacks(halves, { user: resultUser, domain: resultDomain })) return undefined
    return this.#fill(format, halves, (text) => text)
  }

  #fill(template: string, small: Halves, quote: (text: string) => string): string {
    return template.replaceAll(/%(.)/gs, (_, letter: string) => {
      if (letter === '%') return '%'
      if (/[1-9]/.test(letter)) return quote(this.#labels[Number(letter) - 1] ?? '')
      const from = letter === letter.toLowerCase() ? small : this.#key
      switch (letter.toLowerCase()) {
        case 'u':
          return quote(from.user)
        case 'd':
          return quote(from.domain ?? '')
        default:
          return quote(from.whole)
      }
    })
  }
}

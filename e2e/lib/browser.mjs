// A browser without scripts: cookies, links, forms. What it cannot do, a hosted page must not need.

export class Page {
  constructor(url, status, html) {
    Object.assign(this, { url, status, html });
  }

  get title() {
    return text(this.html.match(/<h1[^>]*>([^]*?)<\/h1>/)?.[1] ?? '');
  }

  /** The form that holds the button `id`, with what its fields hold. */
  form(id) {
    for (const [, attributes, body] of this.html.matchAll(/<form\b([^>]*)>([^]*?)<\/form>/g)) {
      const button = [...body.matchAll(/<button\b([^>]*)>/g)].map(([, found]) => read(found)).find((found) => found.id === id);
      if (!button) continue;
      const { action, method } = read(attributes);
      const fields = new Map();
      for (const [, found] of body.matchAll(/<input\b([^>]*)>/g)) {
        const input = read(found);
        if (input.name && !('disabled' in input)) fields.set(input.name, input.value ?? '');
      }
      if (button.name) fields.set(button.name, button.value ?? '');
      return { action: new URL(action, this.url).href, method, fields };
    }
    throw new Error(`${this.url} (${this.status}, "${this.title}") has no form with the button #${id}`);
  }

  /** Where the link `id` leads. */
  link(id) {
    for (const [, found] of this.html.matchAll(/<a\b([^>]*)>/g)) {
      const link = read(found);
      if (link.id === id) return new URL(link.href, this.url).href;
    }
    throw new Error(`${this.url} has no link #${id}`);
  }
}

export class Browser {
  #cookies = new Map();

  /** Goes to `url` and follows redirects; stops before an address that begins with `stop`, and gives that address. */
  async go(url, { stop } = {}) {
    return this.#request(new URL(url), { method: 'GET' }, stop);
  }

  /** Presses the button `id` of `page` with `values` typed in. */
  async press(page, id, values = {}, { stop } = {}) {
    const { action, fields } = page.form(id);
    for (const [name, value] of Object.entries(values)) {
      if (!fields.has(name)) throw new Error(`${page.url} has no field ${name}`);
      fields.set(name, value);
    }
    const headers = { origin: new URL(page.url).origin, 'sec-fetch-site': 'same-origin', referer: page.url };
    return this.#request(new URL(action), { method: 'POST', headers, body: new URLSearchParams([...fields]) }, stop);
  }

  async #request(url, options, stop) {
    for (let hops = 0; hops < 20; hops += 1) {
      if (stop && url.href.startsWith(stop)) return url;
      const cookies = this.#cookies.get(url.hostname) ?? new Map();
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const headers = { accept: 'text/html', 'accept-language': 'en', ...options.headers, ...(cookie && { cookie }) };
      const answer = await fetch(url, { ...options, headers, redirect: 'manual' });
      this.#keep(url.hostname, answer.headers.getSetCookie());
      const location = answer.headers.get('location');
      if (!location) return new Page(url.href, answer.status, await answer.text());
      if (answer.status !== 303) throw new Error(`${url.pathname} redirects with ${answer.status}`);
      await answer.arrayBuffer();
      url = new URL(location, url);
      options = { method: 'GET' };
    }
    throw new Error(`${url} redirects without end`);
  }

  #keep(host, lines) {
    const cookies = this.#cookies.get(host) ?? new Map();
    for (const line of lines) {
      const [pair, ...rest] = line.split('; ');
      const cut = pair.indexOf('=');
      const gone = rest.some((attribute) => attribute.toLowerCase() === 'max-age=0');
      if (gone) cookies.delete(pair.slice(0, cut));
      else cookies.set(pair.slice(0, cut), pair.slice(cut + 1));
    }
    this.#cookies.set(host, cookies);
  }
}

function read(attributes) {
  const found = attributes.matchAll(/([a-z-]+)(?:="([^"]*)")?/g);
  return Object.fromEntries([...found].map(([, name, value]) => [name, text(value ?? '')]));
}

function text(html) {
  const named = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  const plain = html.replace(/<[^>]*>/g, '');
  return plain.replace(/&(?:#(\d+)|#x([0-9a-f]+)|([a-z]+));/gi, (whole, decimal, hexadecimal, name) => {
    if (name) return named[name] ?? whole;
    return String.fromCodePoint(decimal ? Number(decimal) : Number.parseInt(hexadecimal, 16));
  });
}

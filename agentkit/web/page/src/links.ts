/** Addresses in a text, for markdown-it: only those that begin with `http://` or `https://`, which nobody means otherwise. */

interface Link {
  index: number;
  lastIndex: number;
  text: string;
  url: string;
  schema: string;
}

const ADDRESS = /https?:\/\/[^\s<>"`\u3000-\u303f\uff00-\uff0f]+/gi;

/** The address without what ends the sentence that it stands in, and without a bracket that was opened before it. */
function trimmed(text: string): string {
  let end = text.replace(/[.,;:!?'’”…]+$/, "");
  for (const [open, close] of [["(", ")"], ["[", "]"], ["{", "}"]] as const) {
    while (end.endsWith(close) && end.split(close).length > end.split(open).length) {
      end = end.slice(0, -1).replace(/[.,;:!?'’”…]+$/, "");
    }
  }
  return end;
}

export class LinkifyIt {
  test(text: string): boolean {
    return text.search(ADDRESS) >= 0;
  }

  match(text: string): Link[] {
    return [...text.matchAll(ADDRESS)].flatMap(({ 0: found, index }) => {
      const url = trimmed(found);
      return /^https?:\/\/[^/?#]/i.test(url)
        ? [{ index, lastIndex: index + url.length, text: url, url, schema: "http:" }]
        : [];
    });
  }

  matchAtStart(text: string): Link | null {
    const first = this.match(text)[0];
    return first?.index === 0 ? first : null;
  }
}

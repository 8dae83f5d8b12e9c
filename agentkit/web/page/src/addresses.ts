/**
 * What markdown-it does with an address by `mdurl`: the browser writes it in ASCII, and reads what is escaped. The parts
 * are as few as that takes: what stands before a host that has to be in ASCII, that host, and what follows.
 */

interface Parts {
  auth: string;
  hostname: string;
  pathname: string;
}

const HOST = /^((?:(?:https?:)?\/\/|mailto:(?:\/\/)?)(?:[^/?#]*@)?)(\[[\da-f:.]+\]|[-+\w.\u0080-\uffff]+)/i;
// One byte of ASCII, or as many as the first of them says; what is none of these is a byte that no letter is made of.
const ESCAPED = /%(?:[cd].|e.%[89ab].|f[0-7]%[89ab].%[89ab].)%[89ab][\da-f]|%[\da-f]{2}/gi;

export function parse(address: string): Parts {
  const text = address.trim();
  const [before = "", auth = "", hostname = ""] = HOST.exec(text) ?? [];
  return { auth, hostname, pathname: text.slice(before.length) };
}

export function format({ auth, hostname, pathname }: Parts): string {
  return auth + hostname + pathname;
}

/** What is escaped already stays, and so do the brackets of a host in numbers. */
export function encode(text: string): string {
  if (/^\[[\da-f:.]+\]$/i.test(text)) return text;
  return encodeURI(text.replace(/\p{Cs}/gu, "\ufffd")).replace(/%25([\da-f]{2})/gi, "%$1");
}

/** What divides an address, and the percent sign, stay escaped. */
export function decode(text: string): string {
  return text.replace(ESCAPED, (found) => {
    if (found === "%25") return found;
    try {
      return decodeURI(found.toUpperCase());
    } catch {
      return "\ufffd".repeat(found.length / 3);
    }
  });
}

/** markdown-it writes international hosts in ASCII by `punycode.js`; the browser's own URL does the same. */

export default {
  toASCII(host: string): string {
    try {
      return new URL(`http://${host}`).hostname || host;
    } catch {
      return host;
    }
  },
  toUnicode: (host: string): string => host,
};

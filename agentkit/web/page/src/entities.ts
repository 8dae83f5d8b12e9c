/**
 * `&eacute;` becomes é by the browser's own table, which takes the place of the 18 kB that markdown-it would bring
 * along (`entities` on npm). What is given to the parser is one reference and nothing else, in a text area.
 */

const ONE = /^&(?:#x[0-9a-f]{1,6}|#[0-9]{1,7}|[a-z][a-z0-9]{1,31});$/i;

const policy = window.trustedTypes?.createPolicy("agentkit-entity", {
  createHTML: (text) => (ONE.test(text) ? text : ""),
});
const reader = document.createElement("textarea");

export function decodeHTMLStrict(text: string): string {
  return text.replace(/&[#a-z0-9]+;/gi, (reference) => {
    if (!ONE.test(reference)) return reference;
    reader.innerHTML = (policy?.createHTML(reference) ?? reference) as string;
    return reader.value;
  });
}

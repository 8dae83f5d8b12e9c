/** Markdown of a model as elements: HTML is off, pictures become links, and the result is cleaned once more. */

import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";

import { h, iconButton } from "./dom";

const reader = new MarkdownIt("default", { html: false, linkify: true, breaks: false });

// A picture of somebody's address would be loaded on the model's word: it is a link to click, if one wants.
reader.renderer.rules["image"] = (tokens, index) => {
  const token = tokens[index];
  const text = reader.utils.escapeHtml(token?.content || "picture");
  const target = reader.utils.escapeHtml(String(token?.attrGet("src") ?? ""));
  return `<a href="${target}">${text}</a>`;
};

const ALLOWED = {
  ALLOWED_TAGS: [
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["href", "class", "start"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_TRUSTED_TYPE: true,
};

/** HTML that was cleaned, as elements of this page. */
function elements(html: string): DocumentFragment {
  const holder = document.createElement("template");
  holder.innerHTML = DOMPurify.sanitize(html, ALLOWED) as unknown as string;
  for (const link of holder.content.querySelectorAll("a")) {
    if (link.hasAttribute("href")) {
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
      link.title = link.href;
    }
  }
  for (const element of holder.content.querySelectorAll("[class]")) {
    if (!/^language-[\w+#.-]{1,32}$/.test(element.className)) element.removeAttribute("class");
  }
  holder.content.querySelectorAll("table").forEach((table) => {
    const box = h("div", { class: "scroll-x", tabindex: "0", role: "group", "aria-label": "Table" });
    table.replaceWith(box);
    box.append(table);
  });
  holder.content.querySelectorAll("pre").forEach(frameCode);
  return holder.content;
}

/** A block of code gets the name of its language, and a button that copies it. */
function frameCode(code: HTMLPreElement): void {
  const language = code.firstElementChild?.className.replace("language-", "") ?? "";
  const frame = h("div", { class: "code" });
  code.replaceWith(frame);
  code.tabIndex = 0;
  frame.append(
    h(
      "div",
      { class: "code-head" },
      h("span", {}, language),
      iconButton("copy", "Copy the code", () => void navigator.clipboard.writeText(code.textContent)),
    ),
    code,
  );
}

interface Block {
  source: string;
  nodes: ChildNode[];
}

/** A text that grows: only the blocks whose source has changed are rendered anew, so a selection in others stays. */
export class MarkdownView {
  readonly element = h("div", { class: "markdown", dir: "auto" });
  #blocks: Block[] = [];
  #text = "";

  update(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    const found = blocksOf(text);
    let same = 0;
    while (same < found.length && found[same]?.source === this.#blocks[same]?.source) same += 1;
    for (const old of this.#blocks.splice(same)) old.nodes.forEach((node) => node.remove());
    for (const { source, html } of found.slice(same)) {
      const nodes = [...elements(html()).childNodes];
      nodes.forEach((node) => node instanceof HTMLElement && (node.dir ||= "auto"));
      this.element.append(...nodes);
      this.#blocks.push({ source, nodes });
    }
  }
}

/** The blocks at the top of a text, each with the lines that it was made of. */
function blocksOf(text: string): { source: string; html: () => string }[] {
  const shared = {};
  const tokens = reader.parse(text, shared);
  const definitions = JSON.stringify(shared);
  const lines = text.split("\n");
  const found: { source: string; html: () => string }[] = [];
  let first = 0;
  tokens.forEach((token, index) => {
    if (token.level !== 0 || token.nesting === 1) return;
    const own = tokens.slice(first, index + 1);
    const [from, to] = own[0]?.map ?? [0, lines.length];
    // A definition of a link further down changes what stands above it.
    const source = lines.slice(from, to).join("\n") + definitions;
    found.push({ source, html: () => reader.renderer.render(own, reader.options, shared) });
    first = index + 1;
  });
  return found;
}

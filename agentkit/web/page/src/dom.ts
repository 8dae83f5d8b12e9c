/** Elements without markup: text is set as text, so nothing that a model wrote is ever parsed as HTML. */

export type Child = Node | string | null | undefined | false;
type Value = string | number | boolean | null | undefined | ((event: never) => void);

/** An element. `on…` is a listener, `class` a class name, true and false switch an attribute. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), value as EventListener);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  append(element, ...children);
  return element;
}

export function append(parent: Node, ...children: Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    parent.appendChild(typeof child === "string" ? document.createTextNode(child) : child);
  }
}

export function replace(parent: Element, ...children: Child[]): void {
  parent.replaceChildren();
  append(parent, ...children);
}

/** Sets the text only where it changes, so that a selection is not lost. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

const SHAPES = {
  plus: "M12 5v14M5 12h14",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M8 8h8v8H8z",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16.5 16.5 21 21",
  panel: "M4 5h16v14H4zM9.5 5v14",
  close: "M6 6l12 12M18 6 6 18",
  pictures: "M4 5h16v14H4zM4 16l4.5-4.5 4 4 3-3L20 17M15.5 9.5h.01",
  clip: "M20 11.5 12 19.4a5 5 0 0 1-7-7.1l8.2-8.2a3.3 3.3 0 0 1 4.7 4.7l-8.2 8.1a1.6 1.6 0 0 1-2.3-2.3L14.9 7",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  reference: "M13 5H4v14h16v-7M4 16l4.5-4.5 4 4 2.5-2.5 5 4.5M18 3v6M15 6h6",
  compare: "M12 3v18M5 7h4v10H5zM15 7h4v10h-4z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  retry: "M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6",
  edit: "M4 20h4L19 9l-4-4L4 16zM13.5 6.5l4 4",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  branch: "M7 4v16M7 12c6 0 10-1 10-6M17 6V4M5 20h4M15 4h4",
  chevron: "M9 6l6 6-6 6",
  down: "M6 9l6 6 6-6",
  check: "M5 12.5 10 17.5 19.5 7",
  alert: "M12 4 2.5 20h19zM12 10v5M12 17.6h.01",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M19 5l-1.4 1.4M6.4 17.6 5 19",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  more: "M5.5 12h.01M12 12h.01M18.5 12h.01",
  tool: "M14.5 6.5a4 4 0 0 0 5 5L11 20a2.1 2.1 0 0 1-3-3l8.5-8.5M14.5 6.5 17 4a4 4 0 0 1 3 3l-2.5 2.5",
  thought: "M12 4a6 6 0 0 0-3.5 10.9V17h7v-2.1A6 6 0 0 0 12 4zM10 20h4",
  hand: "M8 12V6a1.5 1.5 0 0 1 3 0v5V4.5a1.5 1.5 0 0 1 3 0V11 6a1.5 1.5 0 0 1 3 0v8a6 6 0 0 1-6 6c-3 0-4.5-1.5-6-4.5L4 13a1.5 1.5 0 0 1 2.5-1.5L8 13",
  file: "M6 3h8l4 4v14H6zM14 3v5h4",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
  left: "M15 6l-6 6 6 6",
} as const;

export type IconName = keyof typeof SHAPES;

/** A line drawing of 24 by 24 that takes the colour of the text. */
export function icon(name: IconName): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("class", `icon icon-${name}`);
  drawing.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", SHAPES[name]);
  drawing.appendChild(path);
  return drawing;
}

/** A button that shows only a drawing; its words are its name and its tooltip. */
export function iconButton(
  name: IconName,
  label: string,
  action: (event: MouseEvent) => void,
  extra: Record<string, Value> = {},
): HTMLButtonElement {
  const kind = extra["class"] === undefined ? "icon-button" : `icon-button ${String(extra["class"])}`;
  return h(
    "button",
    { type: "button", title: label, "aria-label": label, onclick: action, ...extra, class: kind },
    icon(name),
  );
}

/** A button with words, and a drawing before them if one is named. */
export function button(
  label: string,
  action: (event: MouseEvent) => void,
  extra: Record<string, Value> & { icon?: IconName } = {},
): HTMLButtonElement {
  const { icon: drawing, ...rest } = extra;
  return h(
    "button",
    { type: "button", class: "button", onclick: action, ...rest },
    drawing === undefined ? null : icon(drawing),
    h("span", {}, label),
  );
}

/** One picture as large as the window, beside what it was made from if one wants to compare. */

import type { Actions } from "./actions";
import { button, h, iconButton, replace } from "./dom";
import { bytes, money, short, visible } from "./format";
import { own } from "./http";
import { canShow, describe, download, downloadPrompt, fileCard, sizeOf } from "./picture";
import type { Picture } from "./types";

export class Lightbox {
  readonly element = h("dialog", { class: "lightbox", "aria-label": "Picture" });
  readonly #stage = h("div", { class: "stage", tabindex: "-1", autofocus: true });
  readonly #side = h("div", { class: "lightbox-side" });
  #pictures: Picture[] = [];
  #place = 0;
  #compared: string | null = null;

  constructor(private readonly actions: Actions) {
    this.element.append(
      this.#stage,
      this.#side,
      iconButton("close", "Close", () => this.element.close(), { class: "lightbox-close" }),
    );
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("click", (event) => {
      if (event.target === this.element || event.target === this.#stage) this.element.close();
    });
    this.element.addEventListener("close", () => replace(this.#stage));
  }

  open(pictures: Picture[], picture: Picture, compare: boolean): void {
    this.#pictures = pictures.length > 0 ? pictures : [picture];
    this.#place = Math.max(0, this.#pictures.findIndex((each) => each.url === picture.url && each.name === picture.name));
    this.#compared = compare ? (picture.parents?.[0] ?? null) : null;
    this.#show();
    if (!this.element.open) this.element.showModal();
  }

  #key(event: KeyboardEvent): void {
    if ((event.target as Element).matches("input")) return;
    if (event.key === "ArrowRight") this.#step(1);
    if (event.key === "ArrowLeft") this.#step(-1);
  }

  #step(by: number): void {
    const place = this.#place + by;
    if (place < 0 || place >= this.#pictures.length) return;
    this.#place = place;
    this.#compared = null;
    this.#show();
  }

  #show(): void {
    const picture = this.#pictures[this.#place];
    if (!picture) return;
    const parent = this.#compared === null ? undefined : this.actions.picture(this.#compared);
    const focused = document.activeElement?.ariaLabel ?? "";
    replace(this.#stage, parent ? comparison(parent, picture) : large(picture));
    this.#tell(picture);
    if (!this.element.open || this.element.contains(document.activeElement)) return;
    // The button that was pressed is made anew: its successor has the focus, or else the picture.
    const buttons = [...this.#side.querySelectorAll<HTMLButtonElement>("button:not(:disabled)")];
    (buttons.find(({ ariaLabel }) => focused && ariaLabel === focused) ?? this.#stage).focus();
  }

  #tell(picture: Picture): void {
    const several = this.#pictures.length > 1;
    const facts: [string, string][] = [
      ["Model", picture.model ? short(picture.model) : ""],
      ["Size", [sizeOf(picture), picture.size ? bytes(picture.size) : ""].filter(Boolean).join(", ")],
      ["Cost", picture.costUsd ? money(picture.costUsd) : ""],
    ];
    const prompt = picture.prompt ?? picture.alt ?? "";
    replace(
      this.#side,
      h(
        "header",
        {},
        h("h2", {}, picture.name || "Picture"),
        several ? h("span", { class: "muted" }, `${this.#place + 1} of ${this.#pictures.length}`) : null,
        several ? iconButton("left", "The picture before", () => this.#step(-1), { disabled: this.#place === 0 }) : null,
        several
          ? iconButton("chevron", "The next picture", () => this.#step(1), {
              disabled: this.#place === this.#pictures.length - 1,
            })
          : null,
      ),
      prompt ? h("p", { class: "lightbox-prompt", dir: "auto", tabindex: "0" }, visible(prompt)) : null,
      h("dl", { class: "facts-list" }, ...facts.flatMap(([name, value]) => (value ? [h("dt", {}, name), h("dd", {}, value)] : []))),
      this.#parents(picture),
      h(
        "div",
        { class: "lightbox-actions" },
        canShow(picture) ? this.#reference(picture) : null,
        button("Download", () => download(picture), { icon: "download" }),
        prompt ? button("Its prompt as a file", () => downloadPrompt(picture), { icon: "file" }) : null,
      ),
    );
  }

  #reference(picture: Picture): HTMLElement {
    const use = (): void => {
      // Closing gives the focus back to what opened it; then it goes to the message.
      this.element.close();
      this.actions.reference(picture);
    };
    return button("Use as reference", use, { class: "button primary", icon: "reference" });
  }

  #parents(picture: Picture): HTMLElement | null {
    if (!picture.parents?.length) return null;
    const choose = (name: string): HTMLElement =>
      button(this.#compared === name ? `Beside ${name}` : `Compare with ${name}`, () => {
        this.#compared = this.#compared === name ? null : name;
        this.#show();
      }, { icon: "compare", "aria-pressed": String(this.#compared === name) });
    return h("div", { class: "lightbox-parents" }, ...picture.parents.map(choose));
  }
}

function large(picture: Picture): HTMLElement {
  if (!canShow(picture)) return fileCard(picture);
  const image = h("img", { class: "large", src: own(picture.url), alt: describe(picture) });
  const zoom = h("button", { type: "button", class: "zoom", "aria-label": "Show at full size", "aria-pressed": "false" }, image);
  zoom.addEventListener("click", () => {
    const full = zoom.classList.toggle("full");
    zoom.setAttribute("aria-pressed", String(full));
  });
  return zoom;
}

/** Two pictures on top of each other, with a line between them that can be moved. */
function comparison(before: Picture, after: Picture): HTMLElement {
  if (!canShow(before) || !canShow(after)) return large(after);
  const box = h("div", { class: "comparison" });
  const slider = h("input", {
    type: "range", min: "0", max: "100", value: "50",
    "aria-label": `How much of ${after.name ?? "the picture"} is seen over ${before.name ?? "the one before"}`,
  });
  const move = (): void => box.style.setProperty("--cut", `${slider.value}%`);
  slider.addEventListener("input", move);
  move();
  box.style.setProperty("--ratio", String((after.width ?? 1) / (after.height ?? 1)));
  box.append(
    h("img", { src: own(before.url), alt: `${before.name}: ${describe(before)}` }),
    h("img", { src: own(after.url), class: "over", alt: `${after.name}: ${describe(after)}` }),
    h("span", { class: "tag start" }, after.name ?? ""),
    h("span", { class: "tag end" }, before.name ?? ""),
    h("span", { class: "line" }),
    slider,
  );
  return box;
}

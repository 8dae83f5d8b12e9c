/** All pictures of a conversation: each beside what it was made from, and what was made from it. */

import type { Actions } from "./actions";
import { h, icon, iconButton, replace } from "./dom";
import { count, money } from "./format";
import { canShow, describe, download, thumbnail } from "./picture";
import type { Picture } from "./types";

export class Gallery {
  readonly element = h("aside", { class: "gallery", "aria-label": "Pictures of this conversation", hidden: true });
  readonly #title = h("h2", {}, "Pictures");
  readonly #body = h("div", { class: "gallery-body" });
  #state = "";

  constructor(private readonly actions: Actions, close: () => void) {
    this.element.append(h("header", {}, this.#title, iconButton("close", "Close the pictures", close)), this.#body);
  }

  update(pictures: readonly Picture[]): void {
    const state = JSON.stringify(pictures);
    if (state === this.#state || this.element.hidden) return;
    this.#state = state;
    this.#title.textContent = count(pictures.length, "picture");
    const names = new Set(pictures.map(({ name }) => name));
    const below = (each: Picture): string | undefined => each.parents?.find((name) => names.has(name));
    const roots = pictures.filter((each) => below(each) === undefined);
    replace(
      this.#body,
      pictures.length === 0
        ? h("p", { class: "muted" }, "The pictures of this conversation gather here, each with what it was made from.")
        : h("ul", { class: "lineage" }, ...roots.map((each) => this.#branch(each, pictures, below, new Set()))),
    );
  }

  /** A picture, and below it those that were made from it. A picture of two stands below the first. */
  #branch(
    picture: Picture,
    all: readonly Picture[],
    below: (each: Picture) => string | undefined,
    above: Set<string>,
  ): HTMLElement {
    const seen = new Set([...above, picture.name ?? ""]);
    const children = all.filter((each) => below(each) === picture.name && !seen.has(each.name ?? ""));
    return h(
      "li",
      {},
      this.#card(picture),
      children.length > 0
        ? h(
            "ul",
            { "aria-label": `Made from ${picture.name ?? "it"}` },
            ...children.map((each) => this.#branch(each, all, below, seen)),
          )
        : null,
    );
  }

  #card(picture: Picture): HTMLElement {
    const image = canShow(picture)
      ? h("img", { src: thumbnail(picture, 320), alt: describe(picture), loading: "lazy", decoding: "async" })
      : icon("file");
    const from = picture.parents?.length ? `from ${picture.parents.join(", ")}` : "";
    const label = `${picture.name ?? "Picture"}${from ? `, ${from}` : ""}`;
    const open = h("button", { type: "button", class: "thumb", "aria-label": `Enlarge ${label}` }, image);
    open.addEventListener("click", () => this.actions.enlarge(picture));
    return h(
      "div",
      { class: "gallery-card" },
      open,
      h(
        "div",
        { class: "gallery-text" },
        h("strong", {}, picture.name ?? ""),
        h("span", { class: "muted clamp", dir: "auto" }, describe(picture)),
        h("span", { class: "muted" }, [from, picture.costUsd ? money(picture.costUsd) : ""].filter(Boolean).join(" · ")),
        h(
          "div",
          { class: "row" },
          canShow(picture)
            ? iconButton("reference", `Use ${picture.name ?? ""} as reference`, () => this.actions.reference(picture))
            : null,
          iconButton("download", `Download ${picture.name ?? ""}`, () => download(picture)),
        ),
      ),
    );
  }
}

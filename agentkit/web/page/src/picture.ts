/** A picture in an answer: a placeholder of its shape, its previews, and the picture itself, in one place. */

import type { Actions } from "./actions";
import { runClock, stopClock } from "./clock";
import { h, icon, iconButton, replace, say } from "./dom";
import { bytes, count, fileName, money, visible } from "./format";
import { own } from "./http";
import type { Picture } from "./types";

const RASTER = /^image\/(?:png|jpeg|webp|gif|avif|bmp)$/;

/** Whether the page may show it. An SVG is a program, and is only ever offered to keep. */
export function canShow(picture: Picture): boolean {
  return RASTER.test(picture.mediaType ?? "") && own(picture.url) !== null;
}

/** The address of a smaller version. */
export function thumbnail(picture: Picture, width: 320 | 768 | 1536): string {
  return `${own(picture.url) ?? ""}?w=${width}`;
}

/** What a person who cannot see the picture is told. */
export function describe(picture: Picture): string {
  return visible(picture.alt || picture.prompt || picture.name || "Picture");
}

/** Keeps the picture under a name made of its handle and its prompt. */
export function download(picture: Picture): void {
  const from = own(picture.url);
  if (from === null) return;
  const name = picture.filename ?? fileName(picture.name ?? "", picture.prompt ?? picture.alt ?? "", picture.mediaType ?? "");
  const link = h("a", { href: `${from}?download=1`, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

/** Keeps the words that the picture was drawn from, and where it comes from. */
export function downloadPrompt(picture: Picture): void {
  const lines = [
    picture.prompt ?? picture.alt ?? "",
    "",
    ...Object.entries({
      Picture: picture.name,
      Model: picture.model,
      Size: sizeOf(picture),
      "Made from": picture.parents?.join(", "),
      Cost: picture.costUsd ? money(picture.costUsd) : "",
    }).flatMap(([name, value]) => (value ? [`${name}: ${value}`] : [])),
  ];
  const made = URL.createObjectURL(new Blob([lines.join("\n")], { type: "text/plain" }));
  const name = fileName(picture.name ?? "", picture.prompt ?? "", "image/txt");
  const link = h("a", { href: made, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(made), 10_000);
}

export function sizeOf(picture: Picture): string {
  return picture.width && picture.height ? `${picture.width} × ${picture.height}` : "";
}

/** The shape of the frame: that of the picture, within what a page can show. */
function ratioOf({ width, height }: Picture): number {
  return width && height ? Math.min(4, Math.max(0.25, width / height)) : 1;
}

/** What is known of a file that is no picture to look at. Its kind is that of its bytes, whatever it is called. */
export function factsOf(file: Picture): string {
  const kind = (file.mediaType ?? "").replace(/.*octet-stream/, "file").replace("text/plain", "text").replace(/^.*[/.](x-)?|\+.*/g, "").toUpperCase();
  return [
    file.filename ? file.name : "",
    kind,
    sizeOf(file),
    file.pages ? count(file.pages, "page") : "",
    file.size ? bytes(file.size) : "",
  ].filter(Boolean).join(" · ");
}

/** A file that is no raster picture: a card with its name, its size and a way to keep it. */
export function fileCard(picture: Picture): HTMLElement {
  const name = visible(picture.filename || picture.name || "Picture");
  return h(
    "div",
    { class: "file-card" },
    icon("file"),
    h(
      "div",
      { class: "file-card-text" },
      h("strong", { dir: "auto", title: name }, name),
      h("span", { class: "muted" }, factsOf(picture)),
    ),
    iconButton("download", `Download ${name}`, () => download(picture)),
  );
}

export class PictureView {
  readonly element = h("figure", { class: "picture" });
  readonly #frame = h("div", { class: "frame" });
  readonly #caption = h("figcaption", {});
  readonly #elapsed = h("span", { class: "elapsed" });
  #shownState = "";
  #previewUrl = "";

  constructor(private picture: Picture, private readonly actions: Actions) {
    this.element.append(this.#frame, this.#caption);
    this.update(picture);
  }

  update(picture: Picture): void {
    this.picture = picture;
    const ratio = ratioOf(picture);
    this.element.style.setProperty("--ratio", String(ratio));
    const state = `${picture.status} ${picture.url ?? ""}`;
    if (state !== this.#shownState) {
      this.#shownState = state;
      this.element.dataset["status"] = picture.status ?? "";
      this.#show();
    }
    if (picture.status === "preview") this.#preview();
    this.#tell();
  }

  #show(): void {
    const { picture } = this;
    if (picture.status === "ready") {
      stopClock(this.#elapsed);
      if (canShow(picture)) this.#ready();
      else replace(this.element, fileCard(picture), this.#caption);
    } else if (picture.status === "failed") {
      stopClock(this.#elapsed);
      const reason = picture.reason || "The picture could not be had.";
      replace(this.#frame, h("div", { class: "picture-failed" }, icon("alert"), h("p", {}, visible(reason))));
    } else {
      this.#making();
    }
  }

  #making(): void {
    if (this.#frame.querySelector(".shimmer")) return;
    runClock(this.#elapsed, this.picture.startedAt);
    const words = h("div", { class: "making", role: "status" }, h("span", {}, "Drawing"), this.#elapsed);
    replace(this.#frame, h("div", { class: "shimmer" }), words);
  }

  #preview(): void {
    this.#making();
    const from = own(this.picture.previewUrl);
    if (from === null || from === this.#previewUrl) return;
    this.#previewUrl = from;
    const image = h("img", { class: "preview", alt: "Preview of a picture that is being drawn" });
    // The one before stays until this one can be shown.
    image.addEventListener("load", () => {
      this.#frame.querySelectorAll(".preview").forEach((old) => old !== image && old.remove());
      image.classList.add("shown");
    });
    image.addEventListener("error", () => image.remove());
    image.src = from;
    this.#frame.querySelector(".shimmer")?.after(image);
  }

  #ready(): void {
    const { picture, actions } = this;
    const image = h("img", {
      class: "final",
      alt: describe(picture),
      loading: "lazy",
      decoding: "async",
      width: picture.width ?? null,
      height: picture.height ?? null,
    });
    const open = h(
      "button",
      { type: "button", class: "open", "aria-label": `Enlarge ${picture.name ?? ""}: ${describe(picture)}` },
      image,
    );
    open.addEventListener("click", () => actions.enlarge(this.picture));
    image.addEventListener("load", () => {
      image.classList.add("shown");
      this.#frame.querySelectorAll(".preview, .shimmer, .making").forEach((old) => old.remove());
    });
    image.addEventListener("error", () => {
      if (image.src.includes("?w=")) image.src = own(this.picture.url) ?? "";
      else replace(this.element, fileCard(this.picture), this.#caption);
    });
    image.src = thumbnail(picture, 1536);
    const tools = h(
      "div",
      { class: "picture-tools" },
      iconButton("reference", `Use ${picture.name || "the picture"} as reference`, () => actions.reference(this.picture)),
      picture.parents?.length
        ? iconButton("compare", `Compare ${picture.name || "the picture"} with ${picture.parents.join(", ")}`, () =>
            actions.enlarge(this.picture, true),
          )
        : null,
      iconButton("download", `Download ${picture.name || "the picture"}`, () => download(this.picture)),
    );
    this.#frame.append(open, tools);
  }

  #tell(): void {
    const { picture } = this;
    const facts = this.element.firstElementChild?.className === "file-card" ? [] : [
      picture.status === "ready" ? (picture.name ?? "") : "",
      picture.status === "ready" ? sizeOf(picture) : "",
      picture.parents?.length ? `from ${picture.parents.join(", ")}` : "",
      picture.costUsd ? money(picture.costUsd) : "",
    ];
    say(this.#caption, facts.filter(Boolean).join("  ·  "));
  }
}

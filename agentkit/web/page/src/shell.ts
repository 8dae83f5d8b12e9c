/** The frame of the page: its panes, what it says aloud, and what is dropped on it. */

import type { Composer } from "./composer";
import { button, h, icon, iconButton, replace, say } from "./dom";
import { settings } from "./drafts";
import type { Gallery } from "./gallery";
import type { Header } from "./header";
import type { Lightbox } from "./lightbox";
import type { Sidebar } from "./sidebar";
import type { About } from "./types";

const NARROW = "(max-width: 820px)";

export class Shell {
  readonly scroller = h("div", { class: "scroller", tabindex: "-1" });
  readonly #live = h("div", { class: "visually-hidden", role: "status", "aria-live": "polite" });
  readonly #notices = h("div", { class: "notices", role: "alert" });
  readonly #greeting = h("div", { class: "greeting" });
  readonly #hello = h("p", { class: "hello" }, "What shall we draw?");
  readonly #name = h("strong", {}, "agentkit");
  readonly #emulator = h("p", { class: "emulator", hidden: true });
  readonly #user = h("span", { class: "user muted" });
  readonly #main: HTMLElement;
  readonly #side: HTMLElement;
  readonly #scrim = h("div", { class: "scrim", hidden: true });

  constructor(
    sidebar: Sidebar,
    header: Header,
    composer: Composer,
    gallery: Gallery,
    lightbox: Lightbox,
    begin: () => void,
  ) {
    const drawer = iconButton("panel", "Show or hide the conversations", () => this.#drawer(), { class: "drawer-button" });
    header.menu.append(drawer, iconButton("plus", "New conversation", begin, { class: "begin-small" }));
    this.#greeting.append(this.#hello);
    this.#side = h(
      "div",
      { class: "side" },
      h("div", { class: "brand" }, mark(), this.#name),
      button("New conversation", begin, { class: "button begin", icon: "plus" }),
      h("div", { class: "search" }, icon("search"), sidebar.search),
      sidebar.list,
      h("footer", {}, this.#emulator, h("div", { class: "row" }, this.#user, themeButton())),
    );
    const end = iconButton("down", "To the end", () => this.#toEnd(), { class: "to-end" });
    this.#main = h(
      "main",
      {},
      header.element,
      header.banner,
      this.scroller,
      h("div", { class: "dock" }, end, this.#greeting, composer.element),
    );
    this.#scrim.addEventListener("click", () => this.closeDrawer());
    const skip = h("a", { class: "skip", href: "#" }, "Skip to the message");
    skip.addEventListener("click", (event) => {
      event.preventDefault();
      composer.element.querySelector("textarea")?.focus();
    });
    document.body.append(
      skip, this.#side, this.#scrim, this.#main, gallery.element, this.#notices, this.#live, lightbox.element,
    );
    addEventListener("keydown", (event) => this.#key(event, composer, sidebar, begin));
    document.body.classList.toggle("side-hidden", settings.read("side") === "hidden");
  }

  place(transcript: HTMLElement): void {
    this.scroller.append(transcript);
  }

  setAbout(about: About): void {
    const name = about.title || about.agent || "agentkit";
    say(this.#name, name);
    say(this.#user, about.user ?? "");
    this.#emulator.hidden = about.emulator !== true;
    const words = "The emulator answers: nothing is paid for, all is made up.";
    replace(this.#emulator, h("span", { class: "dot waits" }), words);
  }

  /** Without messages, the place to write is in the middle. */
  empty(is: boolean): void {
    this.#main.classList.toggle("empty", is);
  }

  announce(words: string): void {
    this.#live.textContent = "";
    setTimeout(() => (this.#live.textContent = words), 50);
  }

  notice(words: string): void {
    const box = h("div", { class: "notice" }, h("span", { dir: "auto" }, words));
    const leave = (): void => box.remove();
    box.append(iconButton("close", "Dismiss", leave));
    this.#notices.append(box);
    while (this.#notices.childElementCount > 3) this.#notices.firstElementChild?.remove();
    setTimeout(leave, Math.max(6000, words.length * 90));
  }

  signedOut(words: string): void {
    replace(this.#main, h("div", { class: "signed-out" }, icon("hand"), h("h1", {}, "You are signed out"), h("p", {}, words)));
  }

  closeDrawer(): void {
    document.body.classList.remove("drawer-open");
    this.#scrim.hidden = true;
  }

  takeDrops(take: (files: File[]) => void): void {
    const holds = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") === true;
    addEventListener("dragover", (event) => {
      if (!holds(event)) return;
      event.preventDefault();
      document.body.classList.add("dropping");
    });
    addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) document.body.classList.remove("dropping");
    });
    addEventListener("drop", (event) => {
      document.body.classList.remove("dropping");
      if (!holds(event)) return;
      event.preventDefault();
      take([...(event.dataTransfer?.files ?? [])]);
    });
  }

  #toEnd(): void {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: calm ? "instant" : "smooth" });
  }

  #drawer(): void {
    if (matchMedia(NARROW).matches) {
      const open = document.body.classList.toggle("drawer-open");
      this.#scrim.hidden = !open;
      if (open) this.#side.querySelector("button")?.focus();
    } else {
      settings.write("side", document.body.classList.toggle("side-hidden") ? "hidden" : null);
    }
  }

  #key(event: KeyboardEvent, composer: Composer, sidebar: Sidebar, begin: () => void): void {
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "Escape" && document.body.classList.contains("drawer-open")) this.closeDrawer();
    if (command && event.key === "k") {
      event.preventDefault();
      document.body.classList.remove("side-hidden");
      if (matchMedia(NARROW).matches && !document.body.classList.contains("drawer-open")) this.#drawer();
      sidebar.search.focus();
    }
    if (command && event.shiftKey && event.key.toLowerCase() === "o") {
      event.preventDefault();
      begin();
    }
    const typing = event.target instanceof Element && event.target.matches("input, textarea, select");
    if (event.key === "/" && !typing && !command) {
      event.preventDefault();
      composer.element.querySelector("textarea")?.focus();
    }
  }
}

function mark(): HTMLElement {
  return h("span", { class: "mark", "aria-hidden": "true" });
}

/** Light or dark: as the system has it until somebody chooses. */
function themeButton(): HTMLElement {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const made = iconButton("moon", "Light or dark", () => {
    settings.write("theme", document.documentElement.dataset["theme"] === "dark" ? "light" : "dark");
    show();
  });
  const show = (): void => {
    const theme = settings.read("theme") ?? (system.matches ? "dark" : "light");
    document.documentElement.dataset["theme"] = theme;
    made.replaceChildren(icon(theme === "dark" ? "sun" : "moon"));
  };
  system.addEventListener("change", show);
  show();
  return made;
}

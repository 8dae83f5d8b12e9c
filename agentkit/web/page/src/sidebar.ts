/** The conversations: found again by their words, named anew, deleted. */

import { button, h, iconButton, replace } from "./dom";
import { count, day, moment, money, visible } from "./format";
import { getJson, send } from "./http";
import type { ChatRow } from "./types";

export interface SidebarEvents {
  open(id: string): void;
  begin(): void;
  renamed(id: string, title: string): void;
  deleted(id: string): void;
  notice(words: string): void;
}

export class Sidebar {
  readonly list = h("nav", { class: "chats", "aria-label": "Conversations" });
  readonly search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search conversations" });
  /** Names of conversations that have none yet: the words that they begin with. */
  readonly hints = new Map<string, string>();
  #rows: ChatRow[] = [];
  #next: string | null = null;
  #current = "";
  #asked = 0;
  #timer = 0;

  constructor(private readonly events: SidebarEvents) {
    this.search.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = window.setTimeout(() => void this.refresh(), 180);
    });
    this.list.addEventListener("keydown", (event) => this.#key(event));
  }

  mark(id: string): void {
    this.#current = id;
    for (const link of this.list.querySelectorAll<HTMLElement>("a")) {
      if (link.dataset["id"] === id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  async refresh(after: string | null = null): Promise<void> {
    this.#asked += 1;
    const asked = this.#asked;
    const query = new URLSearchParams({ limit: "50" });
    if (this.search.value.trim()) query.set("search", this.search.value.trim());
    if (after !== null) query.set("after", after);
    try {
      const told = await getJson<{ chats: ChatRow[]; next?: string | null }>(`api/chats?${query}`);
      if (asked !== this.#asked) return;
      this.#rows = after === null ? told.chats : [...this.#rows, ...told.chats];
      this.#next = told.next ?? null;
      this.#show();
    } catch (error) {
      if (this.#rows.length > 0) return;
      const words = error instanceof Error ? error.message : "";
      replace(this.list, h("p", { class: "muted chats-empty" }, words));
    }
  }

  #show(): void {
    const parts: Node[] = [];
    let heading = "";
    let group: HTMLElement | null = null;
    for (const row of this.#rows) {
      const time = moment(row.changedAt);
      const name = this.search.value ? "Found" : time === null ? "Conversations" : day(time);
      if (group === null || name !== heading) {
        heading = name;
        group = h("ul", { "aria-label": name });
        parts.push(h("h2", {}, name), group);
      }
      group.append(this.#row(row));
    }
    if (this.#rows.length === 0) {
      const words = this.search.value ? "Nothing was found." : "Your conversations will be listed here.";
      parts.push(h("p", { class: "muted chats-empty" }, words));
    }
    if (this.#next !== null) {
      parts.push(button("Show more", () => void this.refresh(this.#next), { class: "button quiet" }));
    }
    const top = this.list.scrollTop;
    replace(this.list, ...parts);
    this.list.scrollTop = top;
    this.mark(this.#current);
  }

  #row(row: ChatRow): HTMLElement {
    const title = visible(row.title || this.hints.get(row.id) || "New conversation");
    const facts = [
      row.imagesCount ? count(row.imagesCount, "picture") : "",
      row.costUsd ? money(row.costUsd) : "",
    ].filter(Boolean).join(" · ");
    const link = h(
      "a",
      { href: `#${encodeURIComponent(row.id)}`, title: facts, "data-id": row.id },
      h("span", { class: "chat-title", dir: "auto" }, title),
      row.excerpt ? h("span", { class: "chat-excerpt muted", dir: "auto" }, visible(row.excerpt).slice(0, 90)) : null,
      stateOf(row),
    );
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.events.open(row.id);
    });
    const item = h(
      "li",
      { class: "chat-row" },
      link,
      h(
        "span",
        { class: "chat-row-tools" },
        iconButton("edit", `Rename “${title}”`, () => this.#rename(row, item)),
        iconButton("trash", `Delete “${title}”`, () => this.#confirm(row, item)),
      ),
    );
    return item;
  }

  #rename(row: ChatRow, item: HTMLElement): void {
    const input = h("input", { type: "text", "aria-label": "New name", maxlength: "200" });
    input.value = row.title ?? "";
    let ended = false;
    const end = async (keep: boolean): Promise<void> => {
      if (ended) return;
      ended = true;
      const title = input.value.trim();
      if (keep && title && title !== row.title) {
        await this.#quiet(async () => {
          await send("PATCH", `api/chat/${encodeURIComponent(row.id)}`, { title });
          row.title = title;
          this.events.renamed(row.id, title);
        });
      }
      this.#show();
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") void end(true);
      if (event.key === "Escape") void end(false);
    });
    input.addEventListener("blur", () => void end(true));
    replace(item, input);
    input.select();
  }

  #confirm(row: ChatRow, item: HTMLElement): void {
    const no = button("Keep", () => this.#show());
    const yes = button("Delete", () => void this.#delete(row), { class: "button danger" });
    replace(item, h("div", { class: "confirm", role: "alertdialog", "aria-label": "Delete it?" }, yes, no));
    no.focus();
  }

  async #delete(row: ChatRow): Promise<void> {
    await this.#quiet(async () => {
      await send("DELETE", `api/chat/${encodeURIComponent(row.id)}`);
      this.#rows = this.#rows.filter((each) => each !== row);
      this.events.deleted(row.id);
    });
    this.#show();
  }

  async #quiet(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.events.notice(error instanceof Error ? error.message : String(error));
    }
  }

  /** The arrow keys go from one conversation to the next. */
  #key(event: KeyboardEvent): void {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const links = [...this.list.querySelectorAll<HTMLElement>("a")];
    const place = links.indexOf(document.activeElement as HTMLElement);
    if (place < 0) return;
    event.preventDefault();
    links[place + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  }
}

function stateOf(row: ChatRow): Node | null {
  if (row.status === "running") return h("span", { class: "dot running", role: "img", "aria-label": "is at work" });
  if (row.status === "waiting") return h("span", { class: "dot waits", role: "img", "aria-label": "waits for you" });
  if (row.status === "interrupted") return h("span", { class: "dot cut", role: "img", "aria-label": "interrupted" });
  return null;
}


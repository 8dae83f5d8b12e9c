/** The line above a conversation: its name, its branches, its cost, and whether the server is there. */

import type { Chat } from "./chat";
import { button, h, icon, iconButton, replace, say } from "./dom";
import { count, money, moment, visible } from "./format";
import type { About, Branch, Budget } from "./types";

export interface HeaderEvents {
  open(id: string): void;
  gallery(): void;
  tryNow(): void;
  begin(): void;
}

export class Header {
  readonly element = h("header", { class: "top" });
  readonly banner = h("div", { class: "banner", role: "status", hidden: true });
  readonly menu = h("span", { class: "top-start" });
  readonly #title = h("h1", {});
  readonly #branches = h("span", { class: "branches" });
  readonly #spent = h("span", {});
  readonly #left = h("span", { class: "left" });
  readonly #cost = h("span", { class: "cost muted" }, this.#spent, this.#left);
  readonly #galleryCount = h("span", { class: "count" });
  readonly #galleryButton: HTMLButtonElement;
  #shownState = "";
  #bannerState = "";

  constructor(private readonly events: HeaderEvents) {
    this.#galleryButton = iconButton("pictures", "Pictures of this conversation", () => events.gallery(), {
      class: "gallery-button", "aria-expanded": "false",
    });
    this.#galleryButton.append(this.#galleryCount);
    this.element.append(this.menu, this.#title, this.#branches, this.#cost, this.#galleryButton);
  }

  galleryOpen(open: boolean): void {
    this.#galleryButton.setAttribute("aria-expanded", String(open));
  }

  update(chat: Chat, about: About, pictures: number, hint: string): void {
    const { record } = chat;
    const title = chat.fresh ? "" : visible(record?.title || hint);
    say(this.#title, title);
    document.title = [title, about.title || about.agent || "agentkit"].filter(Boolean).join(" · ");
    say(this.#galleryCount, pictures > 0 ? String(pictures) : "");
    this.#galleryButton.ariaLabel = `Pictures of this conversation${pictures > 0 ? `: ${pictures}` : ""}`;
    const [spent, left] = costOf(chat, about);
    say(this.#spent, spent);
    say(this.#left, left);
    this.#cost.title = limitsOf(about);
    const state = JSON.stringify([record?.id, record?.forkedFrom, record?.branches]);
    if (state !== this.#shownState) {
      this.#shownState = state;
      replace(this.#branches, chat.fresh ? null : this.#branchMenu(record?.forkedFrom ?? null, record?.branches ?? []));
    }
    this.#tell(chat);
  }

  #branchMenu(from: string | null, branches: (Branch | string)[]): HTMLElement | null {
    const others = branches.map((each) => (typeof each === "string" ? { id: each } : each) as Branch);
    if (from === null && others.length === 0) return null;
    const menu = h("details", { class: "menu" });
    const go = (id: string): void => {
      menu.open = false;
      this.events.open(id);
    };
    const item = (words: string, id: string): HTMLElement =>
      h("li", {}, button(words, () => go(id), { class: "button quiet", icon: "branch" }));
    const known = others.some(({ id }) => id === from);
    menu.append(
      h("summary", { title: "Branches of this conversation" }, icon("branch"), String(others.length + (from && !known ? 1 : 0))),
      h(
        "ul",
        {},
        from !== null && !known ? item("The conversation that this is a branch of", from) : null,
        ...others.map((each) => item(`${visible(each.title || "Another branch")}${clockOf(each)}`, each.id)),
      ),
    );
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Escape") menu.open = false;
    });
    menu.addEventListener("focusout", (event) => {
      if (event.relatedTarget instanceof Node && !menu.contains(event.relatedTarget)) menu.open = false;
    });
    return menu;
  }

  #tell(chat: Chat): void {
    const state = `${chat.phase} ${chat.retryIn}`;
    if (state === this.#bannerState) return;
    this.#bannerState = state;
    if (chat.phase === "away") {
      const words = "The server cannot be reached. Nothing is lost; it is tried again.";
      replace(this.banner, icon("alert"), h("span", {}, words), button("Try now", () => this.events.tryNow()));
    } else if (chat.phase === "gone") {
      const words = "This conversation is not there any more: it was deleted, or it is somebody else’s.";
      replace(this.banner, icon("alert"), h("span", {}, words), button("New conversation", () => this.events.begin()));
    }
    this.banner.hidden = !["away", "gone"].includes(chat.phase);
  }
}

/** When a branch was made: branches of one conversation often have one title. */
function clockOf(branch: Branch): string {
  const at = moment(branch.at);
  if (at === null) return "";
  return ` · ${new Date(at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`;
}

/** What was spent, and what is left of a budget. */
function costOf(chat: Chat, about: About): [string, string] {
  const last = chat.messages.at(-1)?.metadata?.costUsd ?? 0;
  const known = chat.record?.costUsd ?? 0;
  const total = chat.phase === "streaming" ? known + last : known;
  const budget: Budget | null | undefined = chat.record?.budget ?? about.budget;
  const left = [
    typeof budget?.leftUsd === "number" ? `${money(budget.leftUsd)} left` : "",
    typeof budget?.leftImages === "number" ? `${count(budget.leftImages, "picture")} left` : "",
  ].filter(Boolean).join(" · ");
  return [total ? money(total) : "", total && left ? ` · ${left}` : left];
}

function limitsOf(about: About): string {
  const { limits } = about;
  const parts = [
    limits?.costUsd ? `${money(limits.costUsd)} for an answer` : "",
    limits?.images ? `${limits.images} pictures for an answer` : "",
    limits?.turns ? `${limits.turns} requests for an answer` : "",
  ].filter(Boolean);
  return parts.length > 0 ? `At most ${parts.join(", ")}` : "What this conversation has cost";
}

/** One message: what was asked, or an answer whose parts stand in the order in which they came. */

import type { Actions } from "./actions";
import { CallView } from "./call";
import { button, h, icon, iconButton, replace, say } from "./dom";
import { count, money, seconds, short, visible } from "./format";
import { own } from "./http";
import { MarkdownView } from "./markdown";
import { PictureView, canShow, fileCard } from "./picture";
import { textOf, waitingIn } from "./reduce";
import type { Call, FilePart, Message, Part, Picture, PicturePart, SourcePart, TextPart, ToolPart } from "./types";

/** More characters of a prompt are folded away. */
const FOLDED = 1500;
/** And more than these are not shown at all: they are in the copy. */
const SHOWN = 200_000;

export interface MessageView {
  readonly element: HTMLElement;
  update(message: Message, last: boolean, busy: boolean): void;
}

function copyButton(actions: Actions, text: () => string): HTMLButtonElement {
  return iconButton("copy", "Copy the text", () => {
    navigator.clipboard.writeText(text()).then(
      () => actions.notice("Copied"),
      () => actions.notice("This browser does not let the page copy."),
    );
  });
}

/** The pictures and files of a prompt, each once: a `file` part, and what a `data-…` part knows of it. */
function attachments(message: Message): Picture[] {
  const found = new Map<string, Picture>();
  for (const part of message.parts) {
    if (part.type === "file") {
      const { url, mediaType, filename } = part;
      found.set(url, { status: "ready", url, mediaType, filename, ...found.get(url) });
    } else if (isKept(part)) {
      found.set(part.data.url ?? part.id, part.data);
    }
  }
  return [...found.values()];
}

export class PromptView implements MessageView {
  readonly element = h("article", { class: "message prompt", "aria-label": "You" });
  #shownOf = "";
  #editing = false;
  #whole = false;

  constructor(private message: Message, private readonly actions: Actions) {}

  update(message: Message, _last: boolean, busy: boolean): void {
    this.message = message;
    this.element.classList.toggle("busy", busy);
    const state = JSON.stringify([message.id, message.parts.length, textOf(message).length, attachments(message)]);
    if (this.#editing || state === this.#shownOf) return;
    this.#shownOf = state;
    this.#show();
  }

  #show(): void {
    const { message, actions } = this;
    const text = textOf(message);
    const pictures = attachments(message).map((picture) => {
      if (!canShow(picture)) return fileCard(picture);
      const view = new PictureView(picture, actions);
      view.element.classList.add("small");
      return view.element;
    });
    const words = this.#whole ? text.slice(0, SHOWN) : text.slice(0, FOLDED);
    const rest = text.length - words.length;
    replace(
      this.element,
      h("h3", { class: "visually-hidden" }, "You"),
      pictures.length > 0 ? h("div", { class: "attachments" }, ...pictures) : null,
      text ? h("div", { class: "bubble", dir: "auto" }, rest > 0 ? `${words}…` : words) : null,
      rest > 0 && !this.#whole
        ? button(`Show all ${text.length.toLocaleString("en-US")} characters`, () => {
            this.#whole = true;
            this.#show();
          }, { class: "button quiet" })
        : null,
      h(
        "div",
        { class: "message-tools" },
        text ? copyButton(actions, () => text) : null,
        iconButton("edit", "Edit as a new branch", () => this.#edit(), { class: "when-idle" }),
      ),
    );
  }

  #edit(): void {
    this.#editing = true;
    const input = h("textarea", { "aria-label": "Edit the message", dir: "auto", rows: "3" });
    input.value = textOf(this.message);
    const leave = (): void => {
      this.#editing = false;
      this.#show();
      this.element.querySelector<HTMLElement>(".icon-edit")?.closest("button")?.focus();
    };
    const send = (): void => {
      const words = input.value.trim();
      this.#editing = false;
      this.#show();
      if (words) this.actions.edit(this.message, words);
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") leave();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
    });
    replace(
      this.element,
      h(
        "div",
        { class: "edit" },
        input,
        h("p", { class: "muted" }, "The conversation up to here goes on in a new branch. This one stays as it is."),
        h(
          "div",
          { class: "row" },
          button("Send in a new branch", send, { class: "button primary", icon: "branch" }),
          button("Cancel", leave),
        ),
      ),
    );
    input.focus();
  }
}

type PartView = { element: HTMLElement; update: (part: Part) => void } | null;

export class AnswerView implements MessageView {
  readonly element = h("article", { class: "message answer", "aria-label": "Answer" });
  readonly #body = h("div", { class: "answer-body" });
  readonly #sources = h("div", { class: "sources" });
  readonly #notes = h("div", { class: "notes" });
  readonly #facts = h("span", { class: "facts muted" });
  readonly #tools: HTMLElement;
  readonly #views: PartView[] = [];
  readonly #kinds: string[] = [];
  readonly #calls = new Map<string, CallView>();
  readonly #waiting = h("div", { class: "waiting", "aria-hidden": "true" }, h("i"), h("i"), h("i"));

  constructor(private message: Message, private readonly actions: Actions) {
    this.#tools = h(
      "div",
      { class: "message-tools" },
      copyButton(actions, () => textOf(this.message)),
      iconButton("retry", "Try again", () => actions.retry(this.message), { class: "when-idle" }),
      this.#facts,
    );
    this.element.append(
      h("h3", { class: "visually-hidden" }, "Answer"), this.#body, this.#waiting, this.#sources, this.#notes, this.#tools,
    );
  }

  update(message: Message, last: boolean, busy: boolean): void {
    this.message = message;
    const streams = last && busy;
    this.element.classList.toggle("busy", busy);
    this.element.classList.toggle("streaming", streams);
    this.element.classList.toggle("waits", waitingIn(message).length > 0);
    this.#parts();
    this.#nest();
    this.#waiting.hidden = !streams || this.#body.querySelector(".shimmer, [data-state=input-available]") !== null;
    this.#tools.hidden = streams;
    this.#cite();
    this.#note(last, busy);
    say(this.#facts, factsOf(message));
  }

  #parts(): void {
    const { parts } = this.message;
    for (const old of this.#views.splice(parts.length)) old?.element.remove();
    this.#kinds.length = Math.min(this.#kinds.length, parts.length);
    parts.forEach((part, index) => {
      const kind = kindOf(part);
      if (this.#kinds[index] !== kind) {
        this.#views[index]?.element.remove();
        this.#kinds[index] = kind;
        this.#views[index] = this.#make(part, index);
      }
      this.#views[index]?.update(part);
    });
  }

  /** The view of a part, in its place; null for what is not shown by itself. */
  #make(part: Part, index: number): PartView {
    const view = this.#viewOf(part);
    if (view === null) return null;
    const after = this.#views.slice(0, index).findLast((each) => each && this.#body.contains(each.element))?.element;
    if (part.type === "data-picture") {
      const group = this.#groupAt(index) ?? h("div", { class: "pictures" });
      if (!group.isConnected) this.#insert(group, after);
      group.append(view.element);
    } else {
      this.#insert(view.element, after);
    }
    return view;
  }

  /** The row of pictures that one at this place joins: between them are calls alone, which go above the row. */
  #groupAt(index: number): HTMLElement | null {
    const calls: HTMLElement[] = [];
    for (const [place, view] of [...this.#views.slice(0, index).entries()].reverse()) {
      if (view === null) continue;
      const group = view.element.closest<HTMLElement>(".pictures");
      if (group !== null) {
        group.before(...calls);
        return group;
      }
      if (!this.#kinds[place]?.startsWith("dynamic-tool")) return null;
      if (view.element.parentElement === this.#body) calls.unshift(view.element);
    }
    return null;
  }

  #insert(element: HTMLElement, after: HTMLElement | undefined): void {
    let place: Element | null = after ?? null;
    while (place && place.parentElement !== this.#body) place = place.parentElement;
    if (place) place.after(element);
    else this.#body.prepend(element);
  }

  #viewOf(part: Part): PartView {
    switch (part.type) {
      case "text": {
        const view = new MarkdownView();
        return { element: view.element, update: (now) => view.update((now as TextPart).text) };
      }
      case "reasoning":
        return reasoningView();
      case "data-picture": {
        const view = new PictureView(this.#shaped(part.data), this.actions);
        return { element: view.element, update: (now) => view.update(this.#shaped((now as PicturePart).data)) };
      }
      case "dynamic-tool": {
        const view = new CallView(part, this.message, this.actions);
        this.#calls.set(part.toolCallId, view);
        return {
          element: view.element,
          update: (now) => view.update(now as ToolPart, this.#callOf((now as ToolPart).toolCallId), this.message),
        };
      }
      case "data-file":
        return { element: fileCard(part.data), update: () => undefined };
      case "file":
        return this.#fileView(part);
      default:
        return null;
    }
  }

  /** A file of an answer that no `data-…` part shows already. */
  #fileView(part: FilePart): PartView {
    const known = this.message.parts.some((each) => isKept(each) && each.data.url === part.url);
    if (known || own(part.url) === null) return null;
    const view = new PictureView({ status: "ready", url: part.url, mediaType: part.mediaType }, this.actions);
    return { element: view.element, update: () => undefined };
  }

  /** A picture that is being drawn has the shape that its call asked for. */
  #shaped(picture: Picture): Picture {
    if (picture.width || picture.status === "ready") return picture;
    const asked = this.message.parts.findLast(
      (part): part is ToolPart =>
        part.type === "dynamic-tool" && (!picture.invocationId || part.toolCallId === picture.invocationId),
    )?.input;
    const found = /"(?:aspect_ratio|size)":"(\d+)[:x×](\d+)"/.exec(JSON.stringify(asked ?? ""));
    return found ? { ...picture, width: Number(found[1]), height: Number(found[2]) } : picture;
  }

  #callOf(id: string): Call | undefined {
    return this.message.parts.find((part) => part.type === "data-call" && part.id === id)?.["data" as never];
  }

  /** The calls of a sub-agent stand in the call that asked for it. */
  #nest(): void {
    for (const [id, view] of this.#calls) {
      const parent = this.#callOf(id)?.parent;
      const inner = parent && parent !== id ? this.#calls.get(parent)?.inner : undefined;
      if (inner && view.element.parentElement !== inner && !view.element.contains(inner)) inner.append(view.element);
    }
  }

  #cite(): void {
    const found = this.message.parts.filter((part): part is SourcePart => part.type === "source-url");
    if (found.length === this.#sources.childElementCount) return;
    replace(this.#sources, ...found.map(sourceLink));
  }

  #note(last: boolean, busy: boolean): void {
    const { message, actions } = this;
    const state = JSON.stringify([message.error, message.metadata?.error, message.metadata?.status, last, busy]);
    if (this.#notes.dataset["state"] === state) return;
    this.#notes.dataset["state"] = state;
    replace(this.#notes, ...(last && busy ? [] : notesOf(message, last, actions)));
  }
}

function isKept(part: Part): part is PicturePart {
  return part.type === "data-picture" || part.type === "data-file";
}

function kindOf(part: Part): string {
  // A card is made anew where something of its file changes.
  if (part.type === "data-file") return JSON.stringify(part);
  if (part.type === "dynamic-tool") return `${part.type} ${part.toolCallId}`;
  return "id" in part ? `${part.type} ${part.id}` : part.type;
}

function reasoningView(): PartView {
  const words = new MarkdownView();
  const title = h("span", { class: "call-name" }, "Thinking");
  const element = h("details", { class: "call reasoning" }, h("summary", {}, h("span", { class: "call-line" }, icon("chevron"), title)), words.element);
  let part: TextPart | null = null;
  element.addEventListener("toggle", () => element.open && part && words.update(part.text));
  return {
    element,
    update: (now) => {
      part = now as TextPart;
      say(title, part.state === "streaming" ? "Thinking …" : "Thoughts");
      element.hidden = part.text === "";
      if (element.open) words.update(part.text);
    },
  };
}

function sourceLink(part: SourcePart): HTMLElement {
  let host = part.url;
  let safe = false;
  try {
    const address = new URL(part.url);
    safe = ["http:", "https:"].includes(address.protocol);
    host = address.host;
  } catch {
    // What is no address is shown as it is, and leads nowhere.
  }
  const words = h("span", {}, visible(part.title || host).slice(0, 80));
  const inside = [icon("link"), words, part.title ? h("span", { class: "muted" }, host.slice(0, 60)) : null];
  if (!safe) return h("span", { class: "source" }, ...inside);
  const rel = "noopener noreferrer nofollow";
  return h("a", { class: "source", href: part.url, target: "_blank", rel, title: part.url.slice(0, 300) }, ...inside);
}

function notesOf(message: Message, last: boolean, actions: Actions): HTMLElement[] {
  const { status, limit, limitReason, refusal } = message.metadata ?? {};
  const words = message.error ?? message.metadata?.error;
  const again = (): HTMLElement => button("Try again", () => actions.retry(message), { icon: "retry" });
  if (words) return [note("error", words, last ? again() : null)];
  if (status === "stopped") return [note("info", "You stopped this answer. What came until then is kept.")];
  if (status === "limited") return [note("info", `This answer ended at a limit${because(limitReason ?? LIMITS[limit ?? ""])}`)];
  if (status === "refused") return [note("info", `The model declined to answer${because(refusal)}`, last ? again() : null)];
  if (status === "interrupted" && last) {
    return [
      note(
        "info",
        "This answer was interrupted. What was received is kept, and nothing is paid for again unless you say so.",
        button("Go on", () => actions.goOn(), { class: "button primary" }),
        button("Leave it", () => actions.drop()),
      ),
    ];
  }
  if (status === "failed" || status === "interrupted") {
    return [note("info", "This answer broke off. What was received is kept.", last ? again() : null)];
  }
  return [];
}

/** The limits by their names in the metadata. */
const LIMITS: Record<string, string> = {
  images: "pictures.",
  cost_usd: "money.",
  turns: "requests.",
  tool_calls: "tool calls.",
  seconds: "time.",
  output_tokens: "length.",
};

function because(reason: string | null | undefined): string {
  return reason ? `: ${reason}` : ".";
}

function note(kind: "error" | "info", words: string, ...buttons: (HTMLElement | null)[]): HTMLElement {
  return h(
    "div",
    { class: `note ${kind}`, role: kind === "error" ? "alert" : "note" },
    kind === "error" ? icon("alert") : null,
    h("p", { dir: "auto" }, visible(words)),
    ...buttons,
  );
}

function factsOf(message: Message): string {
  const told = message.metadata ?? {};
  const tokens = (told.usage?.["inputTokens"] ?? 0) + (told.usage?.["outputTokens"] ?? 0);
  return [
    told.model ? short(told.model) : "",
    told.seconds && told.seconds >= 0.05 ? seconds(told.seconds) : "",
    typeof told.costUsd === "number" && told.costUsd > 0 ? money(told.costUsd) : "",
    tokens > 0 ? count(tokens, "token") : "",
  ].filter(Boolean).join("  ·  ");
}

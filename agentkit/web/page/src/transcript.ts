/** The messages of a conversation. Only those near what is seen are in the page; the others keep their place. */

import type { Actions } from "./actions";
import { h } from "./dom";
import { AnswerView, type MessageView, PromptView } from "./message";
import type { Message } from "./types";

/** How far beyond the window messages are made ready, in pixels. */
const MARGIN = 1600;
/** The height of a message that was never shown. */
const GUESS = { user: 90, assistant: 420 };

interface Slot {
  element: HTMLElement;
  message: Message;
  view: MessageView | null;
  near: boolean;
}

export class Transcript {
  readonly element = h("div", { class: "transcript" });
  #slots: Slot[] = [];
  readonly #watched = new WeakMap<Element, Slot>();
  readonly #watcher: IntersectionObserver;
  #busy = false;
  #follows = true;

  constructor(private readonly scroller: HTMLElement, private readonly actions: Actions) {
    this.#watcher = new IntersectionObserver((seen) => this.#moved(seen), {
      root: scroller,
      rootMargin: `${MARGIN}px 0px`,
    });
    new ResizeObserver(() => this.#stick()).observe(this.element);
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  /** Shows these messages; `changed` is the only one that differs, if it is known. */
  update(messages: readonly Message[], busy: boolean, changed: Message | null): void {
    if (changed !== null && busy === this.#busy) {
      const slot = this.#slots.find((each) => each.message === changed);
      if (slot) return this.#show(slot);
    }
    this.#busy = busy;
    const known = new Map(this.#slots.map((slot) => [`${slot.message.role} ${slot.message.id}`, slot]));
    // A prompt that was given its id keeps its place.
    for (const slot of this.#slots) known.set(`${slot.message.role} ${slot.element.dataset["id"] ?? ""}`, slot);
    const next = messages.map((message, index) => {
      const slot = known.get(`${message.role} ${message.id}`) ?? this.#make(message, index >= messages.length - 3);
      slot.message = message;
      slot.element.dataset["id"] = message.id;
      return slot;
    });
    const kept = new Set(next);
    for (const slot of this.#slots) if (!kept.has(slot)) this.#drop(slot);
    next.forEach((slot, index) => {
      if (this.element.children[index] !== slot.element) {
        this.element.insertBefore(slot.element, this.element.children[index] ?? null);
      }
    });
    this.#slots = next;
    next.forEach((slot) => this.#show(slot));
  }

  /** Scrolls to the end, and stays there while the answer grows. */
  toEnd(): void {
    this.#follows = true;
    this.#stick();
  }

  get atEnd(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < 60;
  }

  #make(message: Message, near: boolean): Slot {
    const element = h("div", { class: "slot" });
    const slot: Slot = { element, message, view: null, near };
    element.style.minHeight = `${GUESS[message.role === "user" ? "user" : "assistant"]}px`;
    this.#watched.set(element, slot);
    this.#watcher.observe(element);
    return slot;
  }

  #drop(slot: Slot): void {
    this.#watcher.unobserve(slot.element);
    slot.element.remove();
  }

  #show(slot: Slot): void {
    if (!slot.near) return;
    const last = slot === this.#slots.at(-1);
    if (slot.view === null) {
      slot.view =
        slot.message.role === "user"
          ? new PromptView(slot.message, this.actions)
          : new AnswerView(slot.message, this.actions);
      slot.element.style.minHeight = "";
      slot.element.append(slot.view.element);
    }
    slot.view.update(slot.message, last, this.#busy);
  }

  #moved(seen: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting, boundingClientRect } of seen) {
      const slot = this.#watched.get(target);
      if (!slot) continue;
      slot.near = isIntersecting;
      if (isIntersecting) this.#show(slot);
      else if (slot.view !== null && this.#mayLeave(slot)) {
        slot.element.style.minHeight = `${boundingClientRect.height}px`;
        slot.view.element.remove();
        slot.view = null;
      }
    }
  }

  /** What somebody works in, or what grows, stays. */
  #mayLeave(slot: Slot): boolean {
    return slot !== this.#slots.at(-1) && !slot.element.contains(document.activeElement);
  }

  #scrolled(): void {
    this.#follows = this.atEnd;
    this.scroller.classList.toggle("scrolled-up", !this.#follows);
  }

  #stick(): void {
    if (this.#follows) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.scroller.classList.toggle("scrolled-up", !this.atEnd);
  }
}

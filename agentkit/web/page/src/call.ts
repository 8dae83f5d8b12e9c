/** A tool call: one line with its time and its cost, that unfolds to what was asked and what came back. */

import type { Actions } from "./actions";
import type { Decision } from "./chat";
import { ApprovalView } from "./approval";
import { QuestionView } from "./question";
import { runClock, stopClock } from "./clock";
import { h, icon, replace, say } from "./dom";
import { money, seconds, short, shown, visible } from "./format";
import type { Call, Message, ToolPart } from "./types";

/** As much of a result as a page shows at once. */
const LONGEST = 20_000;

const STATES: Record<string, string> = {
  "input-streaming": "is being called",
  "input-available": "is at work",
  "approval-requested": "waits for you",
  "approval-responded": "was decided",
  "output-available": "is done",
  "output-error": "failed",
  "output-denied": "was not allowed",
};

export class CallView {
  readonly element = h("details", { class: "call" });
  /** Where the calls of a sub-agent go. */
  readonly inner = h("div", { class: "call-inner" });
  readonly #summary = h("summary", {});
  readonly #name = h("span", { class: "call-name" });
  readonly #gist = h("span", { class: "call-gist" });
  readonly #facts = h("span", { class: "call-facts" });
  readonly #elapsed = h("span", { class: "elapsed" });
  readonly #progress = h("span", { class: "call-progress", hidden: true });
  readonly #body = h("div", { class: "call-body" });
  readonly #state = h("span", { class: "visually-hidden" });
  #approval: ApprovalView | QuestionView | null = null;
  #asked = "";
  #filled = "";

  constructor(
    private part: ToolPart,
    private message: Message,
    private readonly actions: Actions,
  ) {
    const line = h("span", { class: "call-line" }, icon("chevron"), this.#name, this.#state, this.#gist, this.#facts);
    // In the summary, which is seen while the rest is folded away.
    this.#summary.append(line, this.#progress);
    this.element.append(this.#summary, this.#body, this.inner);
    this.element.addEventListener("toggle", () => this.#fill());
  }

  update(part: ToolPart, call: Call | undefined, message: Message): void {
    // A call that a person did not allow may be told as one that failed, with their reason.
    this.part = call?.status === "denied" ? { ...part, state: "output-denied" } : part;
    this.message = message;
    const { state } = this.part;
    this.element.dataset["state"] = state;
    say(this.#state, ` ${STATES[state] ?? state}: `);
    const request = call?.why === "outcome" && part.providerExecuted === true;
    say(this.#name, request ? "A request that broke off" : visible(short(part.toolName)));
    say(this.#gist, request ? outcomeOf(state) : visible(gistOf(part)));
    this.#tell(call);
    this.#approve(call);
    const told = this.message.progress?.[part.toolCallId] ?? call?.message;
    const words = told && !isEnded(part) ? visible(told) : "";
    say(this.#progress, words);
    this.#progress.hidden = !words;
    if (this.element.open) this.#fill();
  }

  #tell(call: Call | undefined): void {
    const facts: (Node | string)[] = [];
    if (call?.costUsd) facts.push(money(call.costUsd));
    if (this.part.state === "output-error") facts.push("failed");
    if (this.part.state === "output-denied") facts.push("not allowed");
    const works = ["input-streaming", "input-available"].includes(this.part.state);
    if (works && !isOver(this.message)) {
      runClock(this.#elapsed, call?.startedAt);
      this.#facts.replaceChildren(this.#elapsed);
      return;
    }
    stopClock(this.#elapsed);
    if (call?.seconds && call.seconds >= 0.05 && isEnded(this.part)) facts.push(seconds(call.seconds));
    const text = facts.join(" · ");
    say(this.#facts, text);
  }

  #approve(call: Call | undefined): void {
    if (this.part.state !== "approval-requested") {
      if (this.#approval !== null) this.element.open = false;
      this.#approval?.element.remove();
      this.#approval = null;
      return;
    }
    this.element.open = true;
    const decide = (decision: Decision) => this.actions.decide(this.message, this.part.toolCallId, decision);
    const question = call?.why === "answer" ? call.question : undefined;
    const asked = `${this.part.approval?.id} ${question !== undefined}`;
    // A call may ask one question after the other.
    if (asked !== this.#asked) this.#approval?.element.remove();
    if (asked !== this.#asked) this.#approval = null;
    this.#asked = asked;
    this.#approval ??=
      question === undefined
        ? new ApprovalView(this.part, decide, call?.why === "outcome")
        : new QuestionView(this.part, question, decide);
    if (!this.#approval.element.isConnected) this.element.append(this.#approval.element);
  }

  /** What it was called with and what came of it: written only where somebody looks. */
  #fill(): void {
    if (!this.element.open || this.part.state === "approval-requested") return replace(this.#body);
    const { part } = this;
    const state = JSON.stringify([part.state, part.approval?.reason, part.inputText?.length]);
    if (state === this.#filled && this.#body.childElementCount > 0) return;
    this.#filled = state;
    replace(
      this.#body,
      section("Arguments", part.input ?? part.inputText),
      part.state === "output-denied"
        ? section(part.approval?.reason ? "Your reason" : "Not allowed", part.approval?.reason || part.errorText || "You said no.")
        : null,
      part.state === "output-available" ? section("Result", part.output) : null,
      part.state === "output-error" ? section("Error", part.errorText) : null,
    );
  }
}

function isEnded(part: ToolPart): boolean {
  return part.state.startsWith("output-");
}

function isOver(message: Message): boolean {
  return ["stopped", "failed", "interrupted", "limited"].includes(message.metadata?.status ?? "");
}

/** What a person said becomes of a request of which nobody knows whether it was answered. */
function outcomeOf(state: string): string {
  if (state === "output-available") return "was sent again";
  return state === "output-denied" ? "was given up" : "";
}

function gistOf(part: ToolPart): string {
  if (part.input === undefined || part.input === null) return "";
  if (typeof part.input !== "object") return String(part.input).slice(0, 200);
  const values = Object.values(part.input as object).filter((value) => value !== null && value !== "");
  return values
    .map((value) => (typeof value === "string" ? value : JSON.stringify(value)))
    .join(", ")
    .replace(/\s+/g, " ")
    .slice(0, 200);
}

function section(title: string, value: unknown): HTMLElement | null {
  if (value === undefined || value === null || value === "") return null;
  const text = visible(shown(value));
  const rest = text.length - LONGEST;
  const cut = rest > 0 ? `${text.slice(0, LONGEST)}\n… ${rest.toLocaleString("en-US")} more characters` : text;
  return h(
    "section",
    {},
    h("h4", {}, title),
    h("pre", { tabindex: "0", dir: "auto", "aria-label": title }, cut),
  );
}

/** A call that waits for a person: its arguments in full, which can be changed, and a yes or a no. */

import type { Decision } from "./chat";
import { type Child, button, h, icon, replace } from "./dom";
import { short, shown, visible } from "./format";
import type { ToolPart } from "./types";

/** The fields in which arguments are changed, and how their text is read back. */
interface Field {
  name: string;
  input: HTMLTextAreaElement;
  value: unknown;
}

const UNKNOWN =
  "Its reply broke off, and may have been paid for. Sent again, it may cost as much once more.";

/** A call that waits: what it waits for, and what a person is shown of it. */
export function waiting(label: string, title: Child[], ...inside: Child[]): HTMLElement {
  const words = h("p", { class: "approval-title" }, icon("hand"), h("span", {}, ...title));
  return h("div", { class: "approval", role: "group", tabindex: "-1", "aria-label": label }, words, ...inside);
}

export function argument(name: Child[], ...value: Child[]): HTMLElement {
  return h("div", { class: "argument" }, h("dt", {}, ...name), h("dd", { dir: "auto" }, ...value));
}

export class ApprovalView {
  readonly element: HTMLElement;
  readonly #fields = h("div", { class: "approval-fields" });
  readonly #problem = h("p", { class: "approval-problem", role: "alert" });
  readonly #reason = h("input", {
    type: "text",
    class: "approval-reason",
    placeholder: "Why not? (optional, the model reads it)",
    "aria-label": "Why not",
    maxlength: "2000",
  });
  #edited: Field[] | null = null;

  constructor(
    private readonly part: ToolPart,
    private readonly decide: (decision: Decision) => void,
    unknown: boolean,
  ) {
    const tool = unknown && part.providerExecuted ? "a request to the model" : visible(short(part.toolName));
    // Enter on a button is a click: one who only wanted to send a message must not have said yes.
    const yes = button(unknown ? "Send it again" : "Allow", () => this.#yes(), { class: "button primary", icon: unknown ? "retry" : "check" });
    yes.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.#problem.textContent = "Enter decides nothing here. Press the space bar, or click.";
    });
    // What the service runs itself, it runs as it is.
    const fixed = part.providerExecuted === true;
    const change = button("Change", () => {
      this.#change();
      if (change.lastChild) change.lastChild.textContent = this.#edited === null ? "Change" : "Undo the changes";
    }, { icon: "edit" });
    const no = button(unknown ? "Give it up" : "Don’t allow", () => this.decide({ approved: false, reason: this.#reason.value.trim() }));
    this.#reason.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
    });
    const title = unknown ? "Nobody knows what became of " : "The agent wants to run ";
    this.element = waiting(
      `${tool} waits for your decision`,
      [title, h("strong", {}, tool)],
      unknown ? h("p", { class: "approval-words" }, UNKNOWN) : null,
      this.#fields,
      this.#problem,
      h("div", { class: "approval-actions" }, yes, ...(unknown ? [no] : [fixed ? null : change, no, this.#reason])),
    );
    this.#show();
  }

  #show(): void {
    const rows = Object.entries(argumentsOf(this.part)).map(([name, value]) =>
      argument([visible(name)], visible(shown(value))),
    );
    replace(this.#fields, rows.length > 0 ? h("dl", {}, ...rows) : h("p", { class: "muted" }, "Without arguments."));
  }

  #change(): void {
    this.#problem.textContent = "";
    if (this.#edited !== null) {
      this.#edited = null;
      return this.#show();
    }
    this.#edited = Object.entries(argumentsOf(this.part)).map(([name, value]) => {
      const text = shown(value);
      const rows = Math.min(10, Math.max(1, text.split("\n").length, Math.ceil(text.length / 70)));
      const input = h("textarea", { rows, dir: "auto", spellcheck: "false", "aria-label": name });
      input.value = text;
      return { name, input, value };
    });
    const rows = this.#edited.map(({ name, input }) => argument([visible(name)], input));
    replace(this.#fields, h("dl", {}, ...rows));
    this.#edited[0]?.input.focus();
  }

  #yes(): void {
    if (this.#edited === null) return this.decide({ approved: true });
    const changed: Record<string, unknown> = {};
    for (const { name, input, value } of this.#edited) {
      const read = readBack(input.value, value);
      if (read === undefined) {
        this.#problem.textContent = `“${name}” must be ${kindOf(value)}, which “${input.value.slice(0, 60)}” is not.`;
        input.focus();
        return;
      }
      changed[name] = read;
    }
    const same = JSON.stringify(changed) === JSON.stringify(argumentsOf(this.part));
    this.decide(same ? { approved: true } : { approved: true, edited: changed });
  }
}

function argumentsOf(part: ToolPart): Record<string, unknown> {
  const { input } = part;
  if (input !== null && typeof input === "object" && !Array.isArray(input)) return input as Record<string, unknown>;
  return input === undefined || input === null ? {} : { arguments: input };
}

function kindOf(value: unknown): string {
  if (typeof value === "number") return "a number";
  return typeof value === "boolean" ? "true or false" : "valid JSON";
}

/** Text stays text; everything else is JSON again. Undefined: it is none. */
function readBack(text: string, before: unknown): unknown {
  if (typeof before === "string") return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A call that asks a person something: the words, what the call is, and a field for each thing that is asked. */

import { argument, waiting } from "./approval";
import type { Decision } from "./chat";
import { button, h } from "./dom";
import { short, shown, visible } from "./format";
import type { Property, Question, ToolPart } from "./types";

/** A field that is filled in. `read` gives its value; undefined where it is left out; a string in `wrong` where it cannot be. */
interface Field {
  name: string;
  element: HTMLElement;
  input: HTMLElement;
  read: () => { value?: unknown; wrong?: string };
}

export class QuestionView {
  readonly element: HTMLElement;
  readonly #problem = h("p", { class: "approval-problem", role: "alert" });
  readonly #fields: Field[];

  constructor(
    part: ToolPart,
    question: Question,
    private readonly decide: (decision: Decision) => void,
  ) {
    const tool = visible(short(part.toolName));
    const required = question.schema.required ?? [];
    this.#fields = Object.entries(question.schema.properties ?? {}).map(([name, property]) =>
      fieldOf(name, property, required.includes(name)),
    );
    const yes = button("Answer", () => this.#answer(), { class: "button primary", icon: "check" });
    const no = button("Don’t answer", () => this.decide({ approved: false }));
    const given = part.input !== null && typeof part.input === "object" ? shown(part.input) : "";
    this.element = waiting(
      `${tool} asks you`,
      [h("strong", {}, tool), " asks you"],
      h("p", { class: "approval-words question-words", dir: "auto" }, visible(question.message)),
      question.note ? h("p", { class: "approval-words", dir: "auto" }, visible(question.note)) : null,
      h("div", { class: "approval-fields" }, this.#fields.length > 0 ? h("dl", {}, ...this.#fields.map((each) => each.element)) : null),
      given && given !== "{}" ? h("details", { class: "approval-words" }, h("summary", {}, "The call"), h("pre", { dir: "auto" }, visible(given))) : null,
      this.#problem,
      h("div", { class: "approval-actions" }, yes, no),
    );
  }

  #answer(): void {
    const answer: Record<string, unknown> = {};
    for (const field of this.#fields) {
      const { value, wrong } = field.read();
      if (wrong !== undefined) {
        this.#problem.textContent = `“${visible(field.name)}” must be ${wrong}.`;
        field.input.focus();
        return;
      }
      if (value !== undefined) answer[field.name] = value;
    }
    this.decide({ approved: true, answer });
  }
}

function fieldOf(name: string, given: Property, required: boolean): Field {
  const property = withoutNull(given);
  const label = visible(property.title || name);
  const several = kindOf(property) === "array";
  const choices = choicesOf(several ? (property.items ?? {}) : property);
  const made = several
    ? checks(choices, property, required)
    : choices.length > 0
      ? select(choices, property, required)
      : kindOf(property) === "boolean"
        ? select([{ value: true, title: "Yes" }, { value: false, title: "No" }], property, required)
        : text(property, required);
  if (!several) made.input.setAttribute("aria-label", label);
  const words = property.description ? h("p", { class: "question-about" }, visible(property.description)) : null;
  const element = argument([label, required ? "" : " (optional)"], made.input, words);
  return { name, element, ...made };
}

type Made = Pick<Field, "input" | "read">;

function text(property: Property, required: boolean): Made {
  const kind = kindOf(property);
  const isNumber = kind === "integer" || kind === "number";
  const input = h("input", {
    type: "text",
    dir: "auto",
    autocomplete: "off",
    spellcheck: "false",
    inputmode: isNumber ? "decimal" : "text",
    maxlength: property.maxLength,
  });
  if (property.default !== undefined && property.default !== null) input.value = String(property.default);
  const read = () => {
    const words = input.value.trim();
    if (words === "") return required ? { wrong: "filled in" } : {};
    if (!isNumber) return { value: words };
    const number = Number(words);
    const whole = kind === "integer";
    if (!Number.isFinite(number) || (whole && !Number.isInteger(number))) return { wrong: whole ? "a whole number" : "a number" };
    if (property.minimum !== undefined && number < property.minimum) return { wrong: `at least ${property.minimum}` };
    if (property.maximum !== undefined && number > property.maximum) return { wrong: `at most ${property.maximum}` };
    return { value: number };
  };
  return { input, read };
}

interface Named {
  value: unknown;
  title: string;
}

function select(choices: Named[], property: Property, required: boolean): Made {
  const options = choices.map(({ title }, at) => h("option", { value: at }, visible(title)));
  const input = h("select", {}, h("option", { value: "" }, "—"), ...options);
  const before = choices.findIndex(({ value }) => value === property.default);
  if (before >= 0) input.value = String(before);
  const read = () => {
    if (input.value === "") return required ? { wrong: "chosen" } : {};
    return { value: choices[Number(input.value)]?.value };
  };
  return { input, read };
}

function checks(choices: Named[], property: Property, required: boolean): Made {
  const before = Array.isArray(property.default) ? (property.default as unknown[]) : [];
  const boxes = choices.map(({ value }) => h("input", { type: "checkbox", checked: before.includes(value) }));
  const rows = choices.map(({ title }, at) => h("label", { class: "question-choice" }, boxes[at], " ", visible(title)));
  const read = () => {
    const value = choices.filter((_, at) => boxes[at]?.checked).map((each) => each.value);
    return value.length > 0 || required ? { value } : {};
  };
  return { input: h("div", { tabindex: "-1" }, ...rows), read };
}

function kindOf(property: Property): string {
  return typeof property.type === "string" ? property.type : "string";
}

/** What is given, where nothing may be given too. */
function withoutNull(property: Property): Property {
  if (Array.isArray(property.type)) return { ...property, type: property.type.find((each) => each !== "null") };
  const inner = property.type === undefined ? property.anyOf?.find((each) => each.type !== undefined && each.type !== "null") : undefined;
  return inner === undefined ? property : { ...property, ...inner };
}

function choicesOf(property: Property): Named[] {
  if (Array.isArray(property.enum)) {
    const titles = property.enumNames ?? [];
    return property.enum.map((value, at) => ({ value, title: String(titles[at] ?? value) }));
  }
  return (property.oneOf ?? property.anyOf ?? [])
    .filter((each) => each.const !== undefined)
    .map((each) => ({ value: each.const, title: each.title || String(each.const) }));
}

/** Chunks make a message grow. */

import type {
  Chunk, FilePart, Message, Metadata, Part, Picture, SourcePart, TextPart, ToolPart,
} from "./types";

/** One stream on one message. Text parts are known by an id that counts for this stream alone. */
export class Growing {
  readonly #open = new Map<string, TextPart>();

  constructor(readonly message: Message) {}

  /** Takes a chunk in. Chunks of kinds that are not known here change nothing. */
  take(chunk: Chunk): void {
    const { type } = chunk;
    if (type.startsWith("text-") || type.startsWith("reasoning-")) this.#text(chunk);
    else if (type.startsWith("tool-")) this.#tool(chunk);
    else if (type.startsWith("data-")) this.#data(chunk);
    else this.#other(chunk);
  }

  #text(chunk: Chunk): void {
    const [kind, step] = chunk.type.split("-") as ["text" | "reasoning", string];
    const key = `${kind} ${String(chunk["id"])}`;
    let part = this.#open.get(key);
    if (step === "end") {
      if (part) part.state = "done";
      this.#open.delete(key);
      return;
    }
    if (!part) {
      part = { type: kind, text: "", state: "streaming" };
      this.#open.set(key, part);
      this.message.parts.push(part);
    }
    if (step === "delta") part.text += String(chunk["delta"] ?? "");
  }

  #tool(chunk: Chunk): void {
    const id = String(chunk["toolCallId"]);
    let part = this.message.parts.find(
      (each): each is ToolPart => each.type === "dynamic-tool" && each.toolCallId === id,
    );
    if (!part) {
      const toolName = String(chunk["toolName"] ?? "tool");
      part = { type: "dynamic-tool", toolCallId: id, toolName, state: "input-streaming" };
      this.message.parts.push(part);
    }
    if (chunk["providerExecuted"] === true) part.providerExecuted = true;
    changeTool(part, chunk);
  }

  #data(chunk: Chunk): void {
    if (chunk["transient"] === true) return this.#progress(chunk);
    const { type, id, data } = chunk as unknown as { type: string; id?: string; data: object };
    const known = this.message.parts.find(
      (each) => each.type === type && "id" in each && id !== undefined && each.id === id,
    ) as { data: object } | undefined;
    if (known) known.data = data;
    else this.message.parts.push({ type, id: id ?? "", data } as Part);
  }

  /** The words of a sub-agent while it works. They are no part of the message. */
  #progress(chunk: Chunk): void {
    const { callId, delta } = (chunk["data"] ?? {}) as { callId?: unknown; delta?: unknown };
    if (typeof callId !== "string" || typeof delta !== "string") return;
    const told = (this.message.progress ??= {});
    told[callId] = ((told[callId] ?? "") + delta).slice(-300);
  }

  #other(chunk: Chunk): void {
    const { message } = this;
    if (chunk["messageMetadata"]) {
      message.metadata = { ...message.metadata, ...(chunk["messageMetadata"] as Metadata) };
    }
    if (chunk.type === "file" || chunk.type === "source-url") {
      message.parts.push({ ...chunk } as unknown as FilePart | SourcePart);
    } else if (chunk.type === "start-step") {
      message.parts.push({ type: "step-start" });
    } else if (chunk.type === "error") {
      message.error = String(chunk["errorText"] ?? "This turn failed.");
    } else if (chunk.type === "abort") {
      message.metadata = { status: "stopped", ...message.metadata };
    } else if (chunk.type === "finish") {
      this.#open.forEach((part) => (part.state = "done"));
      this.#open.clear();
    }
  }
}

function changeTool(part: ToolPart, chunk: Chunk): void {
  switch (chunk.type) {
    case "tool-input-delta":
      part.inputText = (part.inputText ?? "") + String(chunk["inputTextDelta"] ?? "");
      break;
    case "tool-input-available":
      part.input = chunk["input"];
      part.toolName = String(chunk["toolName"] ?? part.toolName);
      part.state = part.approval?.approved === undefined ? "input-available" : part.state;
      break;
    case "tool-approval-request":
      part.approval = { id: String(chunk["approvalId"]) };
      part.state = "approval-requested";
      break;
    case "tool-output-available":
      part.output = chunk["output"];
      part.state = "output-available";
      break;
    case "tool-input-error":
    case "tool-output-error":
      part.errorText = String(chunk["errorText"] ?? "The tool failed.");
      part.state = "output-error";
      break;
    case "tool-output-denied":
      part.state = "output-denied";
      break;
    default:
  }
}

/** The pictures of some messages in their order, those without a handle left out. */
export function picturesOf(messages: readonly Message[]): Picture[] {
  const found = new Map<string, Picture>();
  for (const message of messages) {
    for (const part of message.parts) {
      if (part.type !== "data-picture" || part.data.status !== "ready") continue;
      found.set(part.data.name || part.data.url || part.id, part.data);
    }
  }
  return [...found.values()];
}

/** The calls of a message that wait for a decision. */
export function waitingIn(message: Message | undefined): ToolPart[] {
  return (message?.parts ?? []).filter(
    (part): part is ToolPart => part.type === "dynamic-tool" && part.state === "approval-requested",
  );
}

export function textOf(message: Message): string {
  return message.parts
    .filter((part): part is TextPart => part.type === "text")
    .map((part) => part.text)
    .join("\n\n");
}

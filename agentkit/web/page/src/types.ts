/** What the server says, as far as the page reads it: the messages of the AI SDK's UI message stream. */

export type PictureStatus = "making" | "preview" | "ready" | "failed";

/** A picture of a conversation, as `data-picture` tells it, or a file, as `data-file` does. */
export interface Picture {
  status?: PictureStatus;
  name?: string;
  /** What people call a file. */
  filename?: string;
  pages?: number | null;
  url?: string | null;
  previewUrl?: string | null;
  mediaType?: string;
  width?: number | null;
  height?: number | null;
  size?: number;
  alt?: string;
  prompt?: string | null;
  model?: string | null;
  parents?: string[];
  costUsd?: number | null;
  reason?: string;
  invocationId?: string | null;
  startedAt?: number | null;
}

/** What a tool part cannot say: `data-call`, whose id is that of the call. */
export interface Call {
  seconds?: number | null;
  costUsd?: number | null;
  message?: string | null;
  executor?: "client" | "server";
  parent?: string | null;
  status?: string;
  startedAt?: number | null;
  /** What a person is asked: may it run, or what becomes of it when nobody knows whether it did. */
  why?: "approval" | "answer" | "result" | "outcome";
  /** What the call asks, and the form of the answer: a flat JSON Schema. */
  question?: Question;
}

export interface Question {
  message: string;
  note?: string;
  schema: { properties?: Record<string, Property>; required?: string[] };
}

/** One field of a form. */
export interface Property {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  enumNames?: unknown[];
  oneOf?: Choice[];
  anyOf?: (Choice & Property)[];
  items?: Property;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
}

export interface Choice {
  const?: unknown;
  title?: string;
}

export interface TextPart {
  type: "text" | "reasoning";
  text: string;
  state?: "streaming" | "done";
}

export type ToolState =
  | "input-streaming"
  | "input-available"
  | "approval-requested"
  | "approval-responded"
  | "output-available"
  | "output-error"
  | "output-denied";

export interface ToolPart {
  type: "dynamic-tool";
  toolCallId: string;
  toolName: string;
  state: ToolState;
  input?: unknown;
  inputText?: string;
  output?: unknown;
  errorText?: string;
  providerExecuted?: boolean;
  approval?: { id: string; approved?: boolean; reason?: string };
}

export interface FilePart {
  type: "file";
  url: string;
  mediaType: string;
  filename?: string;
}

export interface SourcePart {
  type: "source-url";
  sourceId: string;
  url: string;
  title?: string;
}

export interface PicturePart {
  type: "data-picture" | "data-file";
  id: string;
  data: Picture;
}

export interface CallPart {
  type: "data-call";
  id: string;
  data: Call;
}

export interface StepPart {
  type: "step-start";
}

export type Part = TextPart | ToolPart | FilePart | SourcePart | PicturePart | CallPart | StepPart;

export interface Metadata {
  status?: string;
  costUsd?: number | null;
  usage?: Record<string, number | null>;
  model?: string;
  api?: string;
  startedAt?: number;
  seconds?: number;
  turn?: number;
  emulator?: boolean;
  error?: string | null;
  limit?: string | null;
  limitReason?: string | null;
  refusal?: string | null;
}

export interface Message {
  id: string;
  role: "user" | "assistant" | "system";
  parts: Part[];
  metadata?: Metadata;
  /** Plain words of an `error` chunk. Kept by the page alone. */
  error?: string;
  /** The last words of the sub-agents at work, by the id of their call. Kept by the page alone. */
  progress?: Record<string, string>;
}

export type Chunk = { type: string } & Record<string, unknown>;

export interface Budget {
  costUsd?: number | null;
  leftUsd?: number | null;
  images?: number | null;
  leftImages?: number | null;
}

export interface Branch {
  id: string;
  title?: string;
  at?: number;
  forkedAt?: number;
}

export interface ChatRecord {
  id: string;
  title?: string | null;
  status?: "idle" | "running" | "waiting" | "interrupted";
  model?: string | null;
  api?: string | null;
  costUsd?: number | null;
  imagesCount?: number | null;
  forkedFrom?: string | null;
  forkedAt?: number | null;
  branches?: (Branch | string)[];
  interrupted?: Record<string, unknown> | null;
  budget?: Budget | null;
  messages: Message[];
}

export interface ChatRow {
  id: string;
  title?: string | null;
  status?: string;
  changedAt?: number | string | null;
  costUsd?: number | null;
  imagesCount?: number | null;
  excerpt?: string | null;
}

export interface ModelOffer {
  id: string;
  name?: string;
  priceUsdPerImage?: number | null;
}

export interface About {
  agent?: string;
  title?: string;
  model?: string;
  models?: (ModelOffer | string)[];
  apis?: string[];
  api?: string;
  emulator?: boolean;
  user?: string | null;
  limits?: { turns?: number; costUsd?: number | null; images?: number | null };
  budget?: Budget | null;
  /** What a picture costs at most, where the catalogue tells. */
  pictureUsd?: number | null;
  maxFileBytes?: number;
}

export interface Uploaded {
  url: string;
  mediaType: string;
  width?: number | null;
  height?: number | null;
  filename?: string;
  size?: number;
  pages?: number | null;
}

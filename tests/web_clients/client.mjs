// Clients of a chat stream: npm's `ai` in each version that the tests hold, driven line by line. Each line of
// standard input is a JSON object; what it did is one line of standard output.
import { createInterface } from 'node:readline';

const versions = { first: 'ai6-first', six: 'ai6', seven: 'ai7' };
const loaded = {};

async function library(version) {
  loaded[version] ??= await import(versions[version]);
  return loaded[version];
}

// Standard output is for answers alone.
console.log = console.warn = (...words) => console.error(...words);
globalThis.AI_SDK_LOG_WARNINGS = false;

async function refused(ai, chunk) {
  const found = await ai.uiMessageChunkSchema().validate(chunk);
  return found.success ? [] : [`${chunk.type}: ${found.error.message}`];
}

// The message that a client has after these chunks, and what it complains of.
async function read({ version, chunks, before }) {
  const ai = await library(version);
  const errors = [];
  for (const chunk of chunks) errors.push(...(await refused(ai, chunk)));
  const stream = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  let message = before;
  const told = [];
  const messages = ai.readUIMessageStream({
    message: before == null ? undefined : structuredClone(before),
    stream,
    onError: error => told.push(String(error?.message ?? error)),
  });
  for await (const snapshot of messages) message = snapshot;
  return { message, errors, told };
}

// What `useChat` is made of, without React around it.
function chatOf(ai, { url, token, id, messages, automatic }) {
  class State {
    status = 'ready';
    error = undefined;
    messages = messages ?? [];
    pushMessage = message => (this.messages = [...this.messages, message]);
    popMessage = () => (this.messages = this.messages.slice(0, -1));
    replaceMessage = (at, message) => {
      this.messages = [...this.messages.slice(0, at), this.snapshot(message), ...this.messages.slice(at + 1)];
    };
    snapshot = value => structuredClone(value);
  }
  class Chat extends ai.AbstractChat {}
  const errors = [];
  const state = new State();
  const chat = new Chat({
    id,
    state,
    transport: new ai.DefaultChatTransport({
      api: `${url}/api/chat`,
      headers: { authorization: `Bearer ${token}` },
    }),
    onError: error => errors.push(error.message),
    sendAutomaticallyWhen: automatic ? ai.lastAssistantMessageIsCompleteWithApprovalResponses : undefined,
  });
  return { chat, state, errors };
}

const chats = new Map();

function shown({ chat, errors }) {
  return { messages: chat.messages, status: chat.status, errors: errors.splice(0) };
}

async function until(holds) {
  const end = Date.now() + 120_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error('it did not come about');
    await new Promise(done => setTimeout(done, 5));
  }
}

const actions = {
  read,
  async open(asked) {
    const ai = await library(asked.version);
    chats.set(asked.name, chatOf(ai, asked));
    return shown(chats.get(asked.name));
  },
  async send({ name, message, options }) {
    await chats.get(name).chat.sendMessage(message, options);
    return shown(chats.get(name));
  },
  // Without waiting for its end.
  async begin({ name, message, options }) {
    const held = chats.get(name);
    held.turn = held.chat.sendMessage(message, options);
    await until(() => held.chat.messages.at(-1)?.role === 'assistant' || held.chat.status === 'error');
    return shown(held);
  },
  async end({ name }) {
    const held = chats.get(name);
    await held.turn;
    return shown(held);
  },
  async regenerate({ name, options }) {
    await chats.get(name).chat.regenerate(options);
    return shown(chats.get(name));
  },
  // Comes back to a turn that goes on, without waiting for its end.
  async resume({ name }) {
    const held = chats.get(name);
    held.turn = held.chat.resumeStream();
    await until(() => held.chat.status !== 'submitted' && held.chat.messages.at(-1)?.role === 'assistant');
    return shown(held);
  },
  // Says the same to every call that waits; the last one sends it.
  async decide({ name, approved, reason, options }) {
    const held = chats.get(name);
    const waits = held.chat.messages
      .at(-1)
      .parts.filter(part => part.state === 'approval-requested')
      .map(part => part.approval.id);
    for (const id of waits) await held.chat.addToolApprovalResponse({ id, approved, reason, options });
    await until(() => held.chat.status === 'submitted' || held.chat.status === 'streaming' || held.errors.length > 0 || !waits.length);
    await until(() => held.chat.status === 'ready' || held.chat.status === 'error');
    return shown(held);
  },
  async leave({ name }) {
    await chats.get(name).chat.stop();
    return shown(chats.get(name));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const asked = JSON.parse(line);
    answer = await actions[asked.do](asked);
  } catch (error) {
    answer = { failed: String(error?.stack ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}

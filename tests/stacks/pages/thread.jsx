// In the place of assistant-ui's `Thread`, which its command copies into a project: the same primitives, bare.
import { ComposerPrimitive, MessagePrimitive, ThreadPrimitive } from '@assistant-ui/react';

const Picture = ({ data }) => <img src={`/chat/${data}`} alt="" />;
const Tool = ({ toolName, status, respondToApproval }) => (
  <p>
    {toolName}: {status.type}
    {status.type === 'requires-action' && <button onClick={() => respondToApproval({ approved: true })}>Yes</button>}
  </p>
);
const Message = () => (
  <MessagePrimitive.Root>
    <MessagePrimitive.Parts components={{ File: Picture, tools: { Fallback: Tool } }} />
  </MessagePrimitive.Root>
);

export const Thread = () => (
  <ThreadPrimitive.Root>
    <ThreadPrimitive.Messages components={{ Message }} />
    <ComposerPrimitive.Root>
      <ComposerPrimitive.Input />
    </ComposerPrimitive.Root>
  </ThreadPrimitive.Root>
);

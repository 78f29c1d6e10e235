import type { Chat } from "./chat";

export function OwnDataLink({ chat }: { chat: Chat }) {
  return (
    <button type="button" class="link" data-testid="own-data" onClick={() => chat.showsOwnData.set(true)}>
      My data
    </button>
  );
}

import { type ComponentType, h } from "preact";
import { useEffect, useState } from "preact/hooks";

import { Button } from "../shared/ui/button";

/** Shows what most visitors never see, and loads it when it is first wanted. */
export function OnDemand<Props extends object>({ load, ...props }: Props & { load: () => Promise<ComponentType<Props>> }) {
  const [View, setView] = useState<ComponentType<Props> | null>(null);
  const [isMissing, setMissing] = useState(false);
  const fetch = () =>
    load().then(
      (loaded) => setView(() => loaded),
      () => setMissing(true),
    );
  useEffect(() => void fetch(), []);
  if (View) return h(View, props as unknown as Props);
  return isMissing ? <Unavailable detail="This could not be loaded just now." onRetry={fetch} /> : <Loading />;
}

export function Loading() {
  return (
    <div class="panel-middle" role="status">
      <p class="loading">One moment…</p>
    </div>
  );
}

export function Unavailable({ detail, onRetry }: { detail: string; onRetry: () => Promise<void> }) {
  const [isBusy, setBusy] = useState(false);
  const retry = async () => {
    setBusy(true);
    await onRetry();
    setBusy(false);
  };
  return (
    <div class="panel-middle" role="alert">
      <h2>The chat is not available</h2>
      <p>{detail}</p>
      <Button look="quiet" isBusy={isBusy} onClick={retry}>
        Try again
      </Button>
    </div>
  );
}

import { Button } from "./button";

/** What could not be read, in the place where it would be, and a way to try again. */
export function Refused({ problem, onRetry }: { problem: string; onRetry: () => void }) {
  return (
    <div class="note problem" role="alert">
      <p>{problem}</p>
      <Button look="quiet small" onClick={onRetry}>
        Try again
      </Button>
    </div>
  );
}

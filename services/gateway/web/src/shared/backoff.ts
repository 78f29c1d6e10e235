/** How long to stay away after a close code, in milliseconds, before jitter. */
interface Pause {
  least: number;
  most: number;
}

const RESTARTING = 1012;
const OVERLOADED = 1013;
const TOO_SLOW = 4408;
const TOO_FAST = 4429;
const LONGEST = 30_000;

/**
 * The pause before attempt number `failures` (from 1). Always spread over a range: after a restart
 * thousands of browsers come back, and must not come back together.
 */
export function pauseAfter(code: number, failures: number, random: () => number): number {
  const { least, most } = rangeOf(code, failures);
  return Math.round(least + random() * (most - least));
}

function rangeOf(code: number, failures: number): Pause {
  // Slowly at first: a server that restarts is back in seconds, and nobody should wait long after it is.
  const growing = Math.min(LONGEST, 1_000 * 1.5 ** Math.min(failures - 1, 10));
  switch (code) {
    case RESTARTING:
      return failures > 1 ? { least: growing / 2, most: growing } : { least: 200, most: 4_000 };
    case OVERLOADED:
      return { least: 5_000, most: Math.max(10_000, growing) };
    case TOO_FAST:
      return { least: 5_000, most: 8_000 };
    case TOO_SLOW:
      return { least: 200, most: 1_000 * failures };
    default:
      return { least: growing / 4, most: growing };
  }
}

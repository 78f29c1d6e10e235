import { useEffect, useState } from "preact/hooks";

type Listener<T> = (value: T) => void;

/** A value that tells its listeners when it is replaced. Values are never changed in place. */
export class Observable<T> {
  readonly #listeners = new Set<Listener<T>>();

  constructor(private current: T) {}

  get value(): T {
    return this.current;
  }

  set(value: T): void {
    if (Object.is(value, this.current)) return;
    this.current = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  subscribe(listener: Listener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The observable's value, kept current while the component is shown. */
export function useObservable<T>(observable: Observable<T>): T {
  const [, redraw] = useState({});
  useEffect(() => {
    let seen = observable.value;
    redraw({});
    return observable.subscribe((value) => {
      if (!Object.is(value, seen)) redraw({});
      seen = value;
    });
  }, [observable]);
  return observable.value;
}

import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { explain } from "../problems";
import { Button } from "./button";
import { Field, valueOf } from "./field";

interface SignInProps<Person> {
  title?: string;
  why: string;
  signIn: (email: string, password: string) => Promise<Person>;
  onSignedIn: (person: Person) => void;
}

export function SignIn<Person>({ title = "Sign in", why, signIn, onSignedIn }: SignInProps<Person>) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    document.title = `${title} · Velaro`;
    first.current?.focus();
  }, []);

  const send = async () => {
    setBusy(true);
    setProblem("");
    try {
      onSignedIn(await signIn(email.trim(), password));
    } catch (error) {
      setProblem(explain(error));
      setBusy(false);
    }
  };
  return (
    <main class="whole-page">
      <form
        class="sign-in"
        aria-labelledby="sign-in-title"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isBusy) void send();
        }}
      >
        <p class="brand">Velaro</p>
        <h1 id="sign-in-title">{title}</h1>
        {why && !problem && (
          <p class="note" role="status">
            {why}
          </p>
        )}
        <Field id="email" label="E-mail">
          {(attributes) => (
            <input
              {...attributes}
              ref={first}
              class="input"
              type="email"
              autocomplete="username"
              required
              data-testid="email"
              value={email}
              onInput={(event) => setEmail(valueOf(event))}
            />
          )}
        </Field>
        <Field id="password" label="Password">
          {(attributes) => (
            <input
              {...attributes}
              class="input"
              type="password"
              autocomplete="current-password"
              required
              data-testid="password"
              value={password}
              onInput={(event) => setPassword(valueOf(event))}
            />
          )}
        </Field>
        <p role="alert" class={problem ? "note problem" : "visually-hidden"} data-testid="sign-in-problem">
          {problem}
        </p>
        <Button type="submit" look="wide" data-testid="sign-in" isBusy={isBusy}>
          {isBusy ? "Signing in…" : "Sign in"}
        </Button>
      </form>
    </main>
  );
}

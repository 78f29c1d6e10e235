import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Field, valueOf } from "../shared/ui/field";
import * as api from "./api";

interface SignInProps {
  why: string;
  onSignedIn: (operator: api.Operator) => void;
}

export function SignIn({ why, onSignedIn }: SignInProps) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    document.title = "Sign in · Velaro";
    first.current?.focus();
  }, []);

  const signIn = async () => {
    setBusy(true);
    setProblem("");
    try {
      onSignedIn((await api.signIn(email.trim(), password)).operator);
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
          if (!isBusy) void signIn();
        }}
      >
        <p class="brand">Velaro</p>
        <h1 id="sign-in-title">Sign in</h1>
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

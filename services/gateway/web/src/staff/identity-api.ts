import { call } from "../shared/http";

export type Decision = "approved" | "refused";

export interface Review {
  verification_id: string;
  customer_name: string;
  operator_name: string;
  operator_email: string;
  action: string;
  state: "waiting" | "approved" | "refused" | "expired" | "broken";
  media_type: string;
  uploaded_at: string;
  reason: string;
  receipt: { looked_at: string } | null;
}

const VERIFICATIONS = "/api/v1/staff/identity/verifications";

export const listReviews = () => call<{ verifications: Review[] }>(VERIFICATIONS);

export const documentPath = (verificationId: string) => `${VERIFICATIONS}/${encodeURIComponent(verificationId)}/document`;

export const decide = (verificationId: string, decision: Decision, reason: string) =>
  call<Review>(`${VERIFICATIONS}/${encodeURIComponent(verificationId)}/decision`, { method: "POST", body: { decision, reason }, timeoutMs: 60_000 });

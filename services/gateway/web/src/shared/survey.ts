/** A survey as the public edge gives it; limits that do not fit a question's kind are null. */
export interface Question {
  question_id: string;
  kind: "text" | "email" | "number" | "choice";
  label: string;
  is_required: boolean;
  choices?: string[] | null;
  max_length?: number | null;
  minimum?: number | null;
  maximum?: number | null;
}

export interface Survey {
  survey_id: string;
  version: number;
  questions: Question[];
}

// How an application uses the generated types; compiled by types.test.mjs, never run. Each line under `@ts-expect-error` is a mistake
// that the types must catch: where one goes unnoticed, the compiler complains. Not here: generating (types.test.mjs).
import type { ResultOf, VariablesOf } from '@graphql-typed-document-node/core';
import { Client, fetchExchange } from '@urql/core';
import { BookDocument, EventsDocument, NoticeReceivedDocument, SignUpDocument } from './operations.js';

const client = new Client({ url: 'http://127.0.0.1:8080/graphql', exchanges: [fetchExchange] });

export async function titles(): Promise<string[]> {
  const { data } = await client.query(EventsDocument, {});
  // @ts-expect-error guarded fields may be null: where a session ends, so does what it could see
  data?.events.nodes;
  // @ts-expect-error there is no such field
  data?.events?.nodes[0]?.name;
  return data?.events?.nodes.map(({ title }) => title) ?? [];
}

export async function book(eventId: string): Promise<string | undefined> {
  const input = { eventId, quantity: 2, fulfilment: 'PARTIAL_AND_WAITLIST', idempotencyKey: '1' } as const;
  const { data } = await client.mutation(BookDocument, { input });
  // @ts-expect-error the input is required
  await client.mutation(BookDocument, {});
  // @ts-expect-error no such word
  await client.mutation(BookDocument, { input: { ...input, fulfilment: 'ALL' } });
  // @ts-expect-error a number is not a text
  await client.mutation(BookDocument, { input: { ...input, quantity: '2' } });
  const status: 'CONFIRMED' | undefined = data?.createBooking?.booking?.status === 'CONFIRMED' ? 'CONFIRMED' : undefined;
  return status && data?.createBooking?.booking?.reference;
}

export const customer: VariablesOf<typeof SignUpDocument> = {
  // @ts-expect-error nobody signs up as an admin
  input: { email: 'ada@example.org', password: 'correct horse battery', name: 'Ada', role: 'ADMIN' },
};

export const cursor = (frame: ResultOf<typeof NoticeReceivedDocument>): string | undefined => frame.noticeReceived.cursor;

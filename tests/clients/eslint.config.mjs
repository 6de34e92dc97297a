// How the contract is linted: @graphql-eslint's recommended and Relay rules, and each exception from them with its reason.
// Not here: running it (contract.test.mjs). Conventions of our own, such as which field may be null, are in tests/it/schema.rs.
import { fileURLToPath } from 'node:url';
import graphql from '@graphql-eslint/eslint-plugin';

/** Findings that stay, one by one: the rule and the line it names. A line that is no longer found has to go from here. */
export const accepted = [
  // OAuth 2.0 calls it access_token, and so do the clients' libraries.
  'no-typename-prefix: accessToken: String!',
  // A kind of ticket: the noun of the trade, not a type of GraphQL.
  'naming-convention: type TicketType {',
  // A notice is read in its reader's inbox and stream, by number; nobody fetches one by its id.
  'relay-edge-types: type NoticeEdge {',
  // One entry per person, made of that person's bookings: a view, and nothing to fetch again.
  'relay-edge-types: type ParticipantEdge {',
  // What opens an account: listed for its owner to end it, and never to be looked up by whoever knows an id.
  'relay-edge-types: type ApiTokenEdge {',
  'relay-edge-types: type SessionEdge {',
  // Read in the team of an organizer or by the account concerned, with the rights of that list; never fetched by id.
  'relay-edge-types: type InvitationEdge {',
  'relay-edge-types: type MembershipEdge {',
];

const schema = fileURLToPath(new URL('../../schema.graphql', import.meta.url));

export default [
  {
    files: ['**/*.graphql'],
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema } } },
    plugins: { '@graphql-eslint': graphql },
    rules: {
      ...graphql.configs['flat/schema-recommended'].rules,
      ...graphql.configs['flat/schema-relay'].rules,
      // Connections come from the library without a description; what they are, Relay's specification says.
      '@graphql-eslint/require-description': [
        'error',
        { types: true, DirectiveDefinition: true, rootField: true, ignoredSelectors: ['[type=ObjectTypeDefinition][name.value=/Connection$/]'] },
      ],
      // Values and messages: they are part of what carries them and have no identity that a cache could keep.
      '@graphql-eslint/strict-id-in-types': [
        'error',
        {
          exceptions: {
            suffixes: ['Connection', 'Edge', 'Payload', 'Error', 'Update'],
            types: ['AccessToken', 'Availability', 'EventChange', 'Money', 'PageInfo', 'Participant', 'SlotAvailability'],
          },
        },
      ],
      // Lists that belong to one object (items, slots, ticket types, user errors) are plain lists; the longer ones take `first` and `after`.
      '@graphql-eslint/relay-edge-types': ['error', { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false }],
      // Participants are summed up on the way from the front, so there is no page from the end.
      '@graphql-eslint/relay-arguments': ['error', { includeBoth: false }],
    },
  },
];

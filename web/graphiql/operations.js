// The tabs a first visitor finds open, in this order: the whole movement from browsing to a notice. Edit here, then `npm run build`.
// A tab's title is the name of its operation. The first tab starts without variables: GraphiQL ignores those of the first tab.
// Not here: how a request is sent (fetcher.js). Tabs that a browser has stored already win over these.

/** Where an access token goes; a token that is still empty is not sent. */
const headers = JSON.stringify({ Authorization: 'Bearer ' }, null, 2);

const variables = (value) => JSON.stringify(value, null, 2);

export const tabs = [
  {
    query: `# Published events. Run it with Ctrl-Enter.
query Browse {
  events(first: 20) {
    nodes {
      id
      title
      startsAt
      venue
      availability {
        available
      }
    }
  }
}
`,
  },
  {
    query: `# A new account: CUSTOMER books, ORGANIZER sells.
# Then, in another tab, the ticket button
# puts your new token into the headers.
mutation SignUp($input: SignUpInput!) {
  signUp(input: $input) {
    token {
      accessToken
    }
    viewer {
      id
    }
    userErrors {
      code
      message
      path
    }
  }
}
`,
    variables: variables({
      input: { email: 'grace@example.org', password: 'correct horse battery', name: 'Grace', role: 'CUSTOMER' },
    }),
  },
  {
    query: `# Then, in another tab, the ticket button
# puts your new token into the headers.
mutation SignIn($input: SignInInput!) {
  signIn(input: $input) {
    token {
      accessToken
    }
    viewer {
      id
    }
    userErrors {
      code
      message
      path
    }
  }
}
`,
    variables: variables({ input: { email: 'grace@example.org', password: 'correct horse battery' } }),
  },
  {
    query: `# For customers: a token in the headers,
# an event's id (see Browse) in the variables.
# A new booking needs a new idempotencyKey;
# the same one twice books once.
mutation Book($input: CreateBookingInput!) {
  createBooking(input: $input) {
    booking {
      id
      reference
      status
    }
    waitlistEntry {
      id
      position
      quantity
    }
    userErrors {
      code
      message
      path
    }
  }
}
`,
    variables: variables({
      input: { eventId: '', quantity: 2, fulfilment: 'ALL_OR_NOTHING', idempotencyKey: 'my-first-booking' },
    }),
    headers,
  },
  {
    query: `# Live, with the token of the headers: leave it
# running here and book in another window.
# "after" resumes after the cursor last seen.
subscription MyNotices($after: String) {
  notices(after: $after) {
    cursor
    notice {
      id
      kind
    }
  }
}
`,
    variables: variables({ after: null }),
    headers,
  },
];

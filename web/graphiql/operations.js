// The tabs a first visitor finds open, in this order: the whole movement from an account to a notice. Edit here, then `npm run build`;
// tests/clients checks that they fit schema.graphql. A tab's title is the name of its operation. The first tab has no variables, because
// GraphiQL ignores those of the first tab. Not here: how a request is sent (fetcher.js). Tabs that a browser has stored win over these.

/** Where an access token goes; a token that is still empty is not sent. */
const headers = JSON.stringify({ Authorization: 'Bearer ' }, null, 2);

const variables = (value) => JSON.stringify(value, null, 2);

/** A full hour, so many days from now. */
function day(days, hours = 0) {
  const time = new Date();
  time.setUTCHours(18 + hours, 0, 0, 0);
  time.setUTCDate(time.getUTCDate() + days);
  return time.toISOString();
}

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
      price {
        amount
        currency
      }
      availability {
        available
        waiting
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
      expiresAt
    }
    viewer {
      id
      name
      role
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
      expiresAt
    }
    viewer {
      id
      name
      role
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
    query: `# For organizers: a token in the headers.
mutation CreateEvent($input: CreateEventInput!) {
  createEvent(input: $input) {
    event {
      id
      slug
      status
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
      input: {
        title: 'An evening with Ada',
        venue: 'Hall A',
        timeZone: 'Europe/London',
        startsAt: day(30),
        endsAt: day(30, 2),
        capacity: 10,
        price: '12.50',
        currency: 'GBP',
      },
    }),
    headers,
  },
  {
    query: `# For organizers: a token in the headers,
# the id of a draft in the variables.
mutation PublishEvent($input: EventInput!) {
  publishEvent(input: $input) {
    event {
      id
      status
    }
    userErrors {
      code
      message
      path
    }
  }
}
`,
    variables: variables({ input: { eventId: '' } }),
    headers,
  },
  {
    query: `# For customers: a token in the headers,
# an event's id (see Browse) in the variables.
# Add an idempotencyKey of your choice and
# repeating the request books once.
mutation Book($input: CreateBookingInput!) {
  createBooking(input: $input) {
    message
    booking {
      id
      reference
      status
      quantity
      total {
        amount
        currency
      }
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
    variables: variables({ input: { eventId: '', quantity: 2, fulfilment: 'PARTIAL_AND_WAITLIST' } }),
    headers,
  },
  {
    query: `# Live, with the token of the headers: leave it
# running here and book in another window.
# "after" resumes after the cursor last seen.
subscription MyNotices($after: String) {
  noticeReceived(after: $after) {
    cursor
    notice {
      number
      kind
      text
      occurredAt
    }
  }
}
`,
    variables: variables({ after: null }),
    headers,
  },
];

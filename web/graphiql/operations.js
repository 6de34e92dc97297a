// The tabs a first visitor finds open, in this order. Edit here, then `npm run build`; tests/clients checks that they fit schema.graphql,
// tests/browser runs them. A tab's title is the name of its first operation. The first line says as whom to run it and what to look at.
// The first tab has no variables, because GraphiQL ignores those of the first tab. Not here: how a request is sent (fetcher.js), filling
// in `eventId` (events.js: `event` is the demo's event that suits). Tabs that a browser has stored win over these.

const variables = (value) => JSON.stringify(value, null, 2);

/** A full hour, so many days from now. */
function day(days, hours = 0) {
  const time = new Date();
  time.setUTCHours(18 + hours, 0, 0, 0);
  time.setUTCDate(time.getUTCDate() + days);
  return time.toISOString();
}

const newEvent = {
  title: 'An evening with Ada',
  venue: 'Hall A',
  timeZone: 'Europe/London',
  startsAt: day(30),
  endsAt: day(30, 2),
  capacity: 10,
  price: '12.50',
  currency: 'GBP',
};

const order = `    message
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
    }`;

export const operations = [
  {
    name: 'Browse',
    query: `# As anyone: what is on sale, and
# how many places are left.
# Ctrl-Enter runs it.
query Browse {
  events(first: 20) {
    nodes {
      id
      slug
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
    name: 'SignUp',
    withoutDemo: true,
    query: `# As anyone: a new account, and the
# page acts as it. CUSTOMER books,
# ORGANIZER sells: make one of each
# and switch on the left.
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
      input: { email: 'ada@example.org', password: 'correct horse battery', name: 'Ada', role: 'ORGANIZER' },
    }),
  },
  {
    name: 'Book',
    event: 'pottery-evening',
    query: `# As a customer (Grace): look at
# the feed on the left when you run
# this, two places for one evening.
mutation Book($input: CreateBookingInput!) {
  createBooking(input: $input) {
${order}
  }
}
`,
    variables: variables({ input: { eventId: '', quantity: 2, fulfilment: 'ALL_OR_NOTHING' } }),
  },
  {
    name: 'AskForMoreThanIsLeft',
    event: 'rust-nation',
    query: `# As a customer (Grace): look at
# the message. Ten were wanted, two
# were left, you wait for the rest.
mutation AskForMoreThanIsLeft($input: CreateBookingInput!) {
  createBooking(input: $input) {
${order}
  }
}
`,
    variables: variables({ input: { eventId: '', quantity: 10, fulfilment: 'PARTIAL_AND_WAITLIST' } }),
  },
  {
    name: 'CreateEvent',
    query: `# As an organizer (Ada): run
# CreateEvent, then PublishEvent,
# and look at the tab Browse. The
# draft's id is filled in below.
mutation CreateEvent($create: CreateEventInput!) {
  createEvent(input: $create) {
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

mutation PublishEvent($publish: EventInput!) {
  publishEvent(input: $publish) {
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
    variables: variables({ publish: { eventId: '' }, create: newEvent }),
  },
  {
    name: 'ChangeVenue',
    event: 'rust-nation',
    query: `# As its organizer (Ada): whoever
# booked is told. Act as Grace next
# and look at the feed. Once changed,
# try another venue below.
mutation ChangeVenue($input: UpdateEventInput!) {
  updateEvent(input: $input) {
    changed
    event {
      title
      venue
    }
    userErrors {
      code
      message
      path
    }
  }
}
`,
    variables: variables({ input: { eventId: '', venue: 'Hall B' } }),
  },
  {
    name: 'MyNotices',
    query: `# As anyone signed in: your notices,
# live. GraphiQL ends it when another
# tab is opened; "after" goes on
# behind the last cursor you saw.
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
  },
  {
    name: 'ForbiddenOnPurpose',
    query: `# As a customer (Grace): look at the
# code. Only organizers sell.
mutation ForbiddenOnPurpose($input: CreateEventInput!) {
  createEvent(input: $input) {
    event {
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
    variables: variables({ input: newEvent }),
  },
];

/** The tabs to open with; where there is no demo, one to sign up is among them. */
export const tabs = (demo) => operations.filter(({ withoutDemo }) => !(demo && withoutDemo)).map(({ query, variables }) => ({ query, variables }));

// The tabs of a first visit, in this order. Edit here, then `npm run build`; tests/clients checks that they fit schema.graphql,
// tests/browser runs them. The title of a tab is the name of its first operation; short names, so that all tabs fit at 1280 px. The
// comment says which account runs it and what to look at, in lines of 29 characters, which fit too. The first tab has no variables,
// because GraphiQL ignores those of the first tab. events.js fills in `eventId` (`event`: the suitable event of the demo). Tabs that a
// browser has stored take precedence. Not here: sending them (fetcher.js).

const variables = (value) => JSON.stringify(value, null, 2);

/** Returns a full hour, some days from now. */
function day(days, hours = 0) {
  const time = new Date();
  time.setUTCHours(18 + hours, 0, 0, 0);
  time.setUTCDate(time.getUTCDate() + days);
  return time.toISOString();
}

const newEvent = {
  title: 'An evening with Ada',
  description: 'Ada reads from her notes.',
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
    query: `# As anyone: events on sale
# and the tickets left.
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
    query: `# As anyone: creates an
# account and switches to it.
# A CUSTOMER books tickets,
# an ORGANIZER sells them:
# create one of each, then
# switch in the panel
# "Acting as".
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
    query: `# As a customer (Grace):
# books two tickets. The
# notice appears in the panel
# "Acting as".
mutation Book($input: CreateBookingInput!) {
  createBooking(input: $input) {
${order}
  }
}
`,
    variables: variables({ input: { eventId: '', quantity: 2, fulfilment: 'ALL_OR_NOTHING' } }),
  },
  {
    name: 'AskForMore',
    event: 'rust-nation',
    query: `# As a customer (Grace): asks
# for ten tickets. Two are
# left; the rest goes on the
# waitlist.
mutation AskForMore($input: CreateBookingInput!) {
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
# CreateEvent first. The id
# of the draft is filled in
# below. Then PublishEvent;
# Browse shows the event.
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
    query: `# As its organizer (Ada):
# customers with a booking
# get a notice. Act as one of
# them (Grace, after
# AskForMore) and read it. To
# run it again, enter another
# venue below.
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
    query: `# As any account: its
# notices, live. GraphiQL
# stops it when you open
# another tab. To resume
# without a gap, set "after"
# to the last cursor.
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
    name: 'Forbidden',
    query: `# As a customer (Grace):
# fails with the code
# FORBIDDEN, because only
# organizers create events.
mutation Forbidden($input: CreateEventInput!) {
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
  {
    name: 'Users',
    query: `# As an admin (Root): all
# accounts and their roles.
# Other accounts see the code
# FORBIDDEN.
query Users {
  users(first: 20) {
    nodes {
      id
      name
      email
      role
      disabled
      createdAt
    }
  }
}
`,
  },
];

/** Returns the tabs of a first visit; without a demo, one to sign up is among them. `fill` completes the variables of an operation. */
export const tabs = (demo, fill = (variables) => variables) =>
  operations
    .filter(({ withoutDemo }) => !(demo && withoutDemo))
    .map(({ name, query, variables }) => ({ query, variables: variables && fill(variables, name) }));

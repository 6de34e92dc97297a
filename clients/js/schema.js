// Written by generate.mjs from schema.graphql. Not here: anything written by hand.
export const possibleTypes = {
  "Node": [
    "Availability",
    "Booking",
    "Event",
    "Organizer",
    "User",
    "WaitlistEntry"
  ],
  "UserError": [
    "CapacityBelowTakenError",
    "NotEnoughTicketsError",
    "PriceChangedError",
    "RefusalError",
    "TicketsAvailableError"
  ]
};
export const connections = {
  "Event": {
    "bookings": [
      "first",
      "last",
      "status"
    ],
    "participants": [
      "first"
    ],
    "waitlist": [
      "first",
      "last"
    ]
  },
  "Organizer": {
    "invitations": [
      "first",
      "last"
    ],
    "members": [
      "first",
      "last"
    ]
  },
  "Query": {
    "events": [
      "filter",
      "first",
      "last",
      "sort"
    ],
    "myApiTokens": [
      "first",
      "last"
    ],
    "myBookings": [
      "eventId",
      "first",
      "last",
      "status",
      "when"
    ],
    "myEvents": [
      "filter",
      "first",
      "last",
      "sort"
    ],
    "myInvitations": [
      "first",
      "last"
    ],
    "mySessions": [
      "first",
      "last"
    ],
    "myWaitlistEntries": [
      "first",
      "last"
    ],
    "notices": [
      "first",
      "last"
    ],
    "users": [
      "filter",
      "first",
      "last"
    ]
  }
};
export const values = [
  "AccessToken",
  "EventChange",
  "Money",
  "Participant",
  "SlotAvailability"
];
export const keyless = [
  "AcceptInvitationPayload",
  "AccessToken",
  "ApiTokenConnection",
  "ApiTokenEdge",
  "BookingConnection",
  "BookingEdge",
  "BookingUpdate",
  "CancelBookingPayload",
  "CapacityBelowTakenError",
  "ChangeMemberRolePayload",
  "ChangePasswordPayload",
  "CreateAdminPayload",
  "CreateApiTokenPayload",
  "CreateBookingPayload",
  "DeleteEventPayload",
  "EventChange",
  "EventConnection",
  "EventEdge",
  "EventPayload",
  "EventWaitlistConnection",
  "EventWaitlistEdge",
  "InvitationConnection",
  "InvitationEdge",
  "InvitationPayload",
  "MarkNoticesReadPayload",
  "MembershipConnection",
  "MembershipEdge",
  "Money",
  "NotEnoughTicketsError",
  "NoticeConnection",
  "NoticeEdge",
  "NoticeUpdate",
  "PageInfo",
  "Participant",
  "ParticipantConnection",
  "ParticipantEdge",
  "PriceChangedError",
  "RefusalError",
  "RemoveMemberPayload",
  "RevokeApiTokenPayload",
  "SessionConnection",
  "SessionEdge",
  "SignInPayload",
  "SignOutPayload",
  "SlotAvailability",
  "TicketsAvailableError",
  "UpdateEventPayload",
  "UserConnection",
  "UserEdge",
  "UserPayload",
  "WaitlistEntryConnection",
  "WaitlistEntryEdge",
  "WaitlistPayload"
];
export const scalars = {
  "CurrencyCode": "string",
  "DateTime": "string",
  "Decimal": "string"
};

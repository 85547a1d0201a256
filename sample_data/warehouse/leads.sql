-- Five tables as a warehouse may have them, with names and types of its own: one for each provider. Invented people.
CREATE SCHEMA crm;

CREATE TABLE crm.mortgage_leads (
    perch_id text PRIMARY KEY,
    email text NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    phone text,
    born date,
    first_home boolean,
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO crm.mortgage_leads VALUES
    ('g4XWxPqY', 'avery.tremblay@example.com', 'Avery', 'Tremblay', '+12025550143', '1988-04-17', true, '2026-11-20 05:58:12+00'),
    ('b9TrQ2Lm', 'noor.haddad@example.com', 'Noor', 'Haddad', NULL, '1991-12-02', NULL, '2026-11-20 05:59:40+00');

CREATE TABLE crm.broker_leads (
    bizmate_id uuid PRIMARY KEY,
    company text,
    first_name text,
    last_name text,
    email text,
    amount numeric(12, 2),
    city text,
    postcode text,
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO crm.broker_leads VALUES
    ('6f1c2b7e-58d4-4c0a-9b3e-2d7a914f0c55', 'Banksia Joinery Pty Ltd', 'Riley', 'Okafor', 'riley.okafor@example.com', 85000.50, 'Brisbane', '4000', '2026-11-20 05:58:12+00'),
    ('c0a4e1d2-93b7-4f6e-8d15-7b2c60f3a9e8', 'Harbour Street Coffee', 'Mina', 'Castellano', 'mina.castellano@example.com', 30000, 'Darwin', '0800', '2026-11-20 05:59:40+00');

CREATE TABLE crm.dealer_leads (
    powerchord_id text PRIMARY KEY,
    crm_id bigint,
    status text,
    comments text,
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO crm.dealer_leads VALUES
    ('3d9f61b4-0a27-4e8c-b5d1-94c7e2f06a18', 88213, 'Contact Attempted', 'Asked for a quote on a zero-turn mower.', '2026-11-20 05:58:12+00'),
    ('7a2c84f9-6b1e-4d30-9c57-e05f1b3d8a46', 88214, 'inProgress', NULL, '2026-11-20 05:59:40+00');

CREATE TABLE crm.rental_leads (
    propexo_id text PRIMARY KEY,
    first_name text,
    last_name text,
    email text,
    moves_in date,
    bedrooms numeric(3, 1),
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO crm.rental_leads VALUES
    ('cm2k8x0qd000108l4f3yb7h2e', 'Dana', 'Okonkwo', 'dana.okonkwo@example.com', '2027-01-15', 2, '2026-11-20 05:58:12+00'),
    ('cm2k8x1ru000208l49p6dc5wz', 'Jules', 'Bergstrom', 'jules.bergstrom@example.com', NULL, 1.5, '2026-11-20 05:59:40+00');

CREATE TABLE crm.loan_stages (
    crf_id uuid PRIMARY KEY,
    stage text NOT NULL,
    funded_on date,
    funded_amount numeric(14, 2),
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO crm.loan_stages VALUES
    ('9e3b5d70-18c4-4a6f-b2d9-60f7c1a85e34', 'Contacted', NULL, NULL, '2026-11-20 05:58:12+00'),
    ('b64d0e8f-73a2-4c19-8e5b-f92a1d7c6043', 'Funded', '2026-11-18', 75000.00, '2026-11-20 05:59:40+00');

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE TEXT SEARCH DICTIONARY public.proofreel_stem (
    TEMPLATE = pg_catalog.snowball,
    language = 'porter' );
CREATE TEXT SEARCH CONFIGURATION public.proofreel (
    PARSER = pg_catalog."default" );
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR asciiword WITH public.proofreel_stem;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR word WITH public.proofreel_stem;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR numword WITH public.proofreel_stem;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR email WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR url WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR host WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR sfloat WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR version WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR hword_numpart WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR hword_part WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR hword_asciipart WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR numhword WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR asciihword WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR hword WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR url_path WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR file WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR "float" WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR "int" WITH simple;
ALTER TEXT SEARCH CONFIGURATION public.proofreel
    ADD MAPPING FOR uint WITH simple;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.answer (
    id bigint NOT NULL,
    segment_id bigint NOT NULL,
    question_id bigint NOT NULL,
    run_id bigint NOT NULL,
    raw text NOT NULL COLLATE pg_catalog."C",
    text text NOT NULL COLLATE pg_catalog."C",
    abstained boolean NOT NULL,
    reason text COLLATE pg_catalog."C",
    mean_logprob double precision,
    problems json NOT NULL
);
CREATE SEQUENCE public.answer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.answer_id_seq OWNED BY public.answer.id;
CREATE TABLE public.attempt (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    outcome text NOT NULL COLLATE pg_catalog."C",
    reason text COLLATE pg_catalog."C",
    started_at text NOT NULL COLLATE pg_catalog."C",
    cost_s double precision NOT NULL
);
CREATE SEQUENCE public.attempt_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.attempt_id_seq OWNED BY public.attempt.id;
CREATE TABLE public.box (
    id bigint NOT NULL,
    claim_id bigint NOT NULL,
    "position" bigint NOT NULL,
    x1 double precision NOT NULL,
    y1 double precision NOT NULL,
    x2 double precision NOT NULL,
    y2 double precision NOT NULL
);
CREATE SEQUENCE public.box_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.box_id_seq OWNED BY public.box.id;
CREATE TABLE public.claim (
    id bigint NOT NULL,
    answer_id bigint NOT NULL,
    moment_id bigint,
    run_id bigint NOT NULL,
    "position" bigint NOT NULL,
    subject text NOT NULL COLLATE pg_catalog."C",
    time_s double precision NOT NULL,
    pts bigint NOT NULL,
    confidence double precision
);
CREATE SEQUENCE public.claim_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.claim_id_seq OWNED BY public.claim.id;
CREATE TABLE public.coverage (
    id bigint NOT NULL,
    segment_id bigint NOT NULL,
    start_s double precision NOT NULL,
    end_s double precision NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    num_frames bigint NOT NULL,
    reason text COLLATE pg_catalog."C",
    CONSTRAINT ck_coverage_kind CHECK ((kind = ANY (ARRAY['sampled'::text, 'still'::text, 'damaged'::text, 'skipped'::text])))
);
CREATE SEQUENCE public.coverage_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.coverage_id_seq OWNED BY public.coverage.id;
CREATE TABLE public.embedding (
    moment_id bigint NOT NULL,
    embedder text NOT NULL COLLATE pg_catalog."C",
    vector bytea NOT NULL
);
CREATE TABLE public.file (
    id bigint NOT NULL,
    library_id bigint NOT NULL,
    video_id bigint,
    path text NOT NULL COLLATE pg_catalog."C",
    size_bytes bigint NOT NULL,
    mtime_ns bigint NOT NULL,
    reason text COLLATE pg_catalog."C",
    seen_at text NOT NULL COLLATE pg_catalog."C",
    missing_since text COLLATE pg_catalog."C"
);
CREATE SEQUENCE public.file_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.file_id_seq OWNED BY public.file.id;
CREATE TABLE public.hidden (
    video_id bigint NOT NULL,
    run_id bigint NOT NULL
);
CREATE TABLE public.job (
    id bigint NOT NULL,
    video_id bigint NOT NULL,
    question_set text NOT NULL COLLATE pg_catalog."C",
    run_id bigint NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    reason text COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C",
    finished_at text COLLATE pg_catalog."C",
    lease_owner text COLLATE pg_catalog."C",
    lease_token text COLLATE pg_catalog."C",
    lease_until_s double precision,
    CONSTRAINT ck_job_state CHECK ((state = ANY (ARRAY['pending'::text, 'done'::text, 'quarantined'::text])))
);
CREATE SEQUENCE public.job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.job_id_seq OWNED BY public.job.id;
CREATE TABLE public.job_question (
    job_id bigint NOT NULL,
    question_id bigint NOT NULL,
    "position" bigint NOT NULL
);
CREATE TABLE public.library (
    id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C"
);
CREATE SEQUENCE public.library_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.library_id_seq OWNED BY public.library.id;
CREATE TABLE public.moment (
    id bigint NOT NULL,
    video_id bigint NOT NULL,
    answer_id bigint NOT NULL,
    run_id bigint NOT NULL,
    start_s double precision NOT NULL,
    end_s double precision NOT NULL,
    start_pts bigint NOT NULL,
    end_pts bigint NOT NULL,
    text text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL COLLATE pg_catalog."C",
    words tsvector GENERATED ALWAYS AS (to_tsvector('public.proofreel'::regconfig, regexp_replace(regexp_replace(NORMALIZE((text COLLATE "default"), NFD), '[\u0300-\u036f]+'::text, ''::text, 'g'::text), '[^[:alnum:]]+'::text, ' '::text, 'g'::text))) STORED,
    CONSTRAINT ck_moment_source CHECK ((source = ANY (ARRAY['statement'::text, 'answer'::text, 'screen_text'::text])))
);
CREATE SEQUENCE public.moment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.moment_id_seq OWNED BY public.moment.id;
CREATE TABLE public.night (
    id bigint NOT NULL,
    library text NOT NULL COLLATE pg_catalog."C",
    started_at text NOT NULL COLLATE pg_catalog."C",
    ended_at text COLLATE pg_catalog."C",
    ending text COLLATE pg_catalog."C",
    fault text COLLATE pg_catalog."C",
    engine text COLLATE pg_catalog."C",
    device text COLLATE pg_catalog."C",
    files json,
    failures json,
    video_s double precision,
    cpu_s double precision,
    spent_s json
);
CREATE SEQUENCE public.night_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.night_id_seq OWNED BY public.night.id;
CREATE TABLE public.question (
    id bigint NOT NULL,
    task text NOT NULL COLLATE pg_catalog."C",
    text text NOT NULL COLLATE pg_catalog."C"
);
CREATE SEQUENCE public.question_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.question_id_seq OWNED BY public.question.id;
CREATE TABLE public.run (
    id bigint NOT NULL,
    fingerprint text NOT NULL COLLATE pg_catalog."C",
    engine text NOT NULL COLLATE pg_catalog."C",
    config json NOT NULL,
    created_at text NOT NULL COLLATE pg_catalog."C"
);
CREATE SEQUENCE public.run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.run_id_seq OWNED BY public.run.id;
CREATE TABLE public.screen_text (
    id bigint NOT NULL,
    segment_id bigint NOT NULL,
    run_id bigint NOT NULL,
    text text NOT NULL COLLATE pg_catalog."C",
    start_s double precision NOT NULL,
    end_s double precision NOT NULL,
    time_s double precision NOT NULL,
    pts bigint NOT NULL,
    x1 double precision NOT NULL,
    y1 double precision NOT NULL,
    x2 double precision NOT NULL,
    y2 double precision NOT NULL,
    confidence double precision NOT NULL
);
CREATE SEQUENCE public.screen_text_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.screen_text_id_seq OWNED BY public.screen_text.id;
CREATE TABLE public.seen (
    video_id bigint NOT NULL,
    run_id bigint NOT NULL,
    start_s double precision NOT NULL,
    end_s double precision NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    reason text COLLATE pg_catalog."C",
    CONSTRAINT ck_seen_kind CHECK ((kind = ANY (ARRAY['sampled'::text, 'still'::text, 'damaged'::text, 'skipped'::text])))
);
CREATE TABLE public.segment (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    "position" bigint NOT NULL,
    start_s double precision NOT NULL,
    end_s double precision NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    committed_at text COLLATE pg_catalog."C",
    CONSTRAINT ck_segment_state CHECK ((state = ANY (ARRAY['pending'::text, 'done'::text])))
);
CREATE SEQUENCE public.segment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.segment_id_seq OWNED BY public.segment.id;
CREATE TABLE public.standing_question (
    id bigint NOT NULL,
    library_id bigint NOT NULL,
    question_id bigint NOT NULL,
    severity text NOT NULL COLLATE pg_catalog."C",
    reviewers bigint NOT NULL,
    blur boolean NOT NULL,
    pack text COLLATE pg_catalog."C",
    pack_version bigint,
    name text COLLATE pg_catalog."C",
    since text NOT NULL COLLATE pg_catalog."C",
    retired_at text COLLATE pg_catalog."C",
    CONSTRAINT ck_standing_question_severity CHECK ((severity = ANY (ARRAY['low'::text, 'medium'::text, 'high'::text, 'critical'::text])))
);
CREATE SEQUENCE public.standing_question_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.standing_question_id_seq OWNED BY public.standing_question.id;
CREATE TABLE public.switch (
    id bigint NOT NULL,
    from_run_id bigint NOT NULL,
    to_run_id bigint NOT NULL,
    switched_at text NOT NULL COLLATE pg_catalog."C",
    undone_at text COLLATE pg_catalog."C"
);
CREATE SEQUENCE public.switch_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.switch_id_seq OWNED BY public.switch.id;
CREATE TABLE public.switched (
    switch_id bigint NOT NULL,
    video_id bigint NOT NULL
);
CREATE TABLE public.track (
    id bigint NOT NULL,
    segment_id bigint NOT NULL,
    run_id bigint NOT NULL,
    label text NOT NULL COLLATE pg_catalog."C",
    start_s double precision NOT NULL,
    end_s double precision NOT NULL,
    points json NOT NULL
);
CREATE SEQUENCE public.track_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.track_id_seq OWNED BY public.track.id;
CREATE TABLE public.vector_generation (
    id bigint NOT NULL,
    file_name text NOT NULL COLLATE pg_catalog."C",
    checksum text NOT NULL COLLATE pg_catalog."C",
    embedder text NOT NULL COLLATE pg_catalog."C",
    dimension bigint NOT NULL,
    num_vectors bigint NOT NULL,
    last_moment_id bigint NOT NULL,
    created_at text NOT NULL COLLATE pg_catalog."C"
);
CREATE SEQUENCE public.vector_generation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.vector_generation_id_seq OWNED BY public.vector_generation.id;
CREATE TABLE public.video (
    id bigint NOT NULL,
    content_hash text NOT NULL COLLATE pg_catalog."C",
    size_bytes bigint NOT NULL,
    container text NOT NULL COLLATE pg_catalog."C",
    codec text NOT NULL COLLATE pg_catalog."C",
    width bigint NOT NULL,
    height bigint NOT NULL,
    rotation bigint NOT NULL,
    time_base_num bigint NOT NULL,
    time_base_den bigint NOT NULL,
    start_s double precision NOT NULL,
    end_s double precision NOT NULL,
    num_frames bigint NOT NULL,
    has_audio boolean NOT NULL,
    recorded_at text COLLATE pg_catalog."C",
    created_at text NOT NULL COLLATE pg_catalog."C",
    missing_s double precision
);
CREATE SEQUENCE public.video_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.video_id_seq OWNED BY public.video.id;
ALTER TABLE ONLY public.answer ALTER COLUMN id SET DEFAULT nextval('public.answer_id_seq'::regclass);
ALTER TABLE ONLY public.attempt ALTER COLUMN id SET DEFAULT nextval('public.attempt_id_seq'::regclass);
ALTER TABLE ONLY public.box ALTER COLUMN id SET DEFAULT nextval('public.box_id_seq'::regclass);
ALTER TABLE ONLY public.claim ALTER COLUMN id SET DEFAULT nextval('public.claim_id_seq'::regclass);
ALTER TABLE ONLY public.coverage ALTER COLUMN id SET DEFAULT nextval('public.coverage_id_seq'::regclass);
ALTER TABLE ONLY public.file ALTER COLUMN id SET DEFAULT nextval('public.file_id_seq'::regclass);
ALTER TABLE ONLY public.job ALTER COLUMN id SET DEFAULT nextval('public.job_id_seq'::regclass);
ALTER TABLE ONLY public.library ALTER COLUMN id SET DEFAULT nextval('public.library_id_seq'::regclass);
ALTER TABLE ONLY public.moment ALTER COLUMN id SET DEFAULT nextval('public.moment_id_seq'::regclass);
ALTER TABLE ONLY public.night ALTER COLUMN id SET DEFAULT nextval('public.night_id_seq'::regclass);
ALTER TABLE ONLY public.question ALTER COLUMN id SET DEFAULT nextval('public.question_id_seq'::regclass);
ALTER TABLE ONLY public.run ALTER COLUMN id SET DEFAULT nextval('public.run_id_seq'::regclass);
ALTER TABLE ONLY public.screen_text ALTER COLUMN id SET DEFAULT nextval('public.screen_text_id_seq'::regclass);
ALTER TABLE ONLY public.segment ALTER COLUMN id SET DEFAULT nextval('public.segment_id_seq'::regclass);
ALTER TABLE ONLY public.standing_question ALTER COLUMN id SET DEFAULT nextval('public.standing_question_id_seq'::regclass);
ALTER TABLE ONLY public.switch ALTER COLUMN id SET DEFAULT nextval('public.switch_id_seq'::regclass);
ALTER TABLE ONLY public.track ALTER COLUMN id SET DEFAULT nextval('public.track_id_seq'::regclass);
ALTER TABLE ONLY public.vector_generation ALTER COLUMN id SET DEFAULT nextval('public.vector_generation_id_seq'::regclass);
ALTER TABLE ONLY public.video ALTER COLUMN id SET DEFAULT nextval('public.video_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('0004_leases');
INSERT INTO public.answer VALUES (1, 1, 1, 1, '<think>..</think>', '', false, NULL, NULL, '[{"kind": "bad_box", "offset": 3, "excerpt": "<box>", "count": 1}]');
INSERT INTO public.box VALUES (1, 1, 0, 0.1, 0.2, 0.3, 0.4);
INSERT INTO public.box VALUES (2, 1, 1, 0.5, 0.5, 0.9, 1);
INSERT INTO public.box VALUES (3, 2, 0, 0.1, 0.2, 0.3, 0.4);
INSERT INTO public.box VALUES (4, 2, 1, 0.5, 0.5, 0.9, 1);
INSERT INTO public.claim VALUES (1, 1, 1, 1, 0, 'bicycle', 0, 0, 0.5);
INSERT INTO public.claim VALUES (2, 1, 2, 1, 1, 'bicycle', 0, 0, 0.5);
INSERT INTO public.coverage VALUES (1, 1, 0, 20, 'sampled', 40, NULL);
INSERT INTO public.embedding VALUES (1, 'test-embedder', '\x602b94aca1a54ea9f027eb9b4e1ac296e6a0f42b22297bac1529bea9422b53aa35ac81acdeacb92555a469aa2d2c5c0a0aabb52df5a5231983ab77a40cad6321ab99fca974941bac651c86a2572c132a0aa26c96370e55a061920d2cdf2a7d28a6227f2dd42a0aa5a0a40e2cbca450aec82a79ac84adfaaa5dac1b29b1adb69f5b25acace829bd2c4f23da291ea4872a4ea9a0ac651ed1ae132a96a5e2ac43a96d2807253c2cf0ad6627caa7fe2c3c2891a978a83726071cb02c20a9df1e559ff328582d5f26542a84a54327d7a36daade1d221d24acfe26662b5a9d0c289c2a8c2d1b2a86aa7c2106acb71cf2aa91a88bae7c2fe89e59a611ac03294ca618a88ea8ce2f03a5272e7da90f1758247cad0a9c542942a9222c172a31293b2913a6e92f25213f23841b4128e92da5a458a664a1a1295f28b62b8029a71d0329b9a6562be29c8b29a3a4b5ab96ac55ac372cc72d2a1e47a17021dd26c3ad14ad032d882e06af2d1774212e2b6e9857a91baa46b04026c3a581281cae882673a620a5cdaad7a446a40aa7a325232be8acb3249d3014ac56a0dbac382dfc2aadaa9ca5522d06adf81dcc27cf25f3a57c2ba329f69ab9a819abff227416bc9db3accf23deabc22c0d2a13a5461c5a2a73ad9c29961ecc288429dd27e4293b2a4b2a502294a45b29b0a280a5d0a51fa34f2f81a1c921bba0999eb6231aa5f1234ca872ab742370ad7e2cf39eca253e251d9d11277ea4e12bd6294aaa7828432b902e2c2a27a8ec21cb2acfa8d92a3e184b2e772eb8258b2c44a9d8190627e62ae41a4d24f72fcba955a93ab0362d18a0a094b79c2c25f920ad9a77a42cac0e2267a54aac99abc5a73d2c1da84da4509a4c2ace2208203aab5ba2b3ab432676a99b281a2488ab9faa6f2ca48fb127d5acf21ec22a442829a83d2e642056a823ac31a9822a33ab58a2cd1f799d3224b52a9326a82bd123e02c6426f12c9ca13dacbfac0c2dd12827ac83aedbaa6ea6499adf294d9ba1abf02cb49d78a9afa991ac28ad092803ad22a7482a2f2e47a05c2c362c47ae30a987a9c51e4da9ee2d331b35a9d3a5');
INSERT INTO public.embedding VALUES (2, 'test-embedder', '\x348d54a9c62ba02ce8a9eca96f2c5eaab0a8bca8c8a201273f2b4da82f2715a8e329abad962bc929ca28211e67a1e6a78b231c2de22783a453a1ab2a77a67eaf159c34a5d424ad26b420be22962a2f2f68aedda11e2a422bdbaa34a1462e172d12ae379de5a21ba77b1f08a11e1f44280f2980a8c7af69ae2029399c3fa0ae25d6a91ea47c259321b1a23717222af4adaca86aaa0f2ca5a39321499a162939a8ffa1f82dc32d3b2de6a887a8b3a907ac42a408a8fb28229d17286caf30a7e0adf72c5a287928e0aa00ab352c9eaa30a9cd9f722c9fabbe23e2a009a491a2d92d2aaff0a534ad0fa099ab900891aa68956231ab2c18a116abd32ad92825ac8a2ed32904a9f9aaa9227aaca4a8a7a7c02a902885ac93a433a74b274da801a2dcab82a461a5f0016324f12892a124292da4682384a939ad78a522aec21a14af911a2c2ca68d392433a625a810a91b2eaca3b4a8f027caa9a7abc2afa9a3d026d724dd2a151dc8a919aa452779a5a6aef3a6a3ac6cb1791e0c22daaa39adaf2009a727ad5b9476a8a52b962881a6d2aa7face9a1e324932df025fd262aa776adec2d6eb000a32129be253a9c85a173270d2a90aacf21162d2f2ec1a60b23ddad672eaca8362aa8a3e427c228c0a8eb29aaa1e3a61a271b2f6b211120582f8da1f6286ba987a733a4c0abc7242da819271a2cd4aa6f9c949c58aba1a305a8262aeca0099fe32403ab63a74924a8ad632706a231a49524982b6018f2a827a4ee27112f81a0372c6b141ca80dac2d25d62a6faa34aaff15e31afb27bca0402fbd2d172d9aa9d7a69827c21dbfaaaf214da1082ae129bb272c2ac5abd19b4ba174a85a28dca17da8e5a0a41e6e27e424c829b32b9ba86ba7c4242b28b52241a7e9aecda4b82b002d5a2bbaa9da222b9ff11f0e2a9a13e621462e3129022280a9a8ac2b2f0021412b38a60cab882802a941a62ea7702b4a248aacc89c90aa67a4689d51239e26a62cc3aafca8be29492e089b0d29a423b0a85b2dd0a278a1ea25ad241010ee2c412ceba9d01aedab0bac3a2a9aa6a5aa56a800ae7e2ccaab07aca92df0a7');
INSERT INTO public.file VALUES (1, 1, 1, '/v/a.mp4', 5000000000, 1152921504606846976, NULL, '2026-11-26T22:10:01.313071Z', NULL);
INSERT INTO public.job VALUES (1, 1, 'e56276401a6b62d8ef4e8f75c80f63309729ccadcfb72bfe98090d812e756706', 1, 'pending', NULL, '2026-11-26T22:10:01.321086Z', NULL, NULL, NULL, NULL);
INSERT INTO public.job_question VALUES (1, 1, 0);
INSERT INTO public.library VALUES (1, 'default', '2026-11-26T22:10:01.311294Z');
INSERT INTO public.moment VALUES (1, 1, 1, 1, 0, 1, 0, 90000, 'moment 0 of segment 0: a person rides a bicycle', 'statement', DEFAULT);
INSERT INTO public.moment VALUES (2, 1, 1, 1, 0, 1, 0, 90000, 'moment 1 of segment 0: a person rides a bicycle', 'statement', DEFAULT);
INSERT INTO public.question VALUES (1, 'describe', '');
INSERT INTO public.run VALUES (1, 'f1', 'spotter', '{"rate_hz": 2}', '2026-11-26T22:10:01.315202Z');
INSERT INTO public.screen_text VALUES (1, 1, 1, 'EXIT', 0, 20, 0, 0, 0.5, 0.5, 0.9, 1, 0.8);
INSERT INTO public.seen VALUES (1, 1, 0, 20, 'sampled', NULL);
INSERT INTO public.segment VALUES (2, 1, 1, 20, 40, 'pending', NULL);
INSERT INTO public.segment VALUES (3, 1, 2, 40, 60, 'pending', NULL);
INSERT INTO public.segment VALUES (1, 1, 0, 0, 20, 'done', '2026-11-26T22:10:01.330897Z');
INSERT INTO public.track VALUES (1, 1, 1, 'bicycle', 0, 20, '[[0.0, 0, 0.1, 0.2, 0.3, 0.4, 0.9]]');
INSERT INTO public.video VALUES (1, 'hash-a', 5000000000, 'mov,mp4', 'h264', 640, 360, 0, 1, 90000, 0, 60, 1500, false, '2026-05-01T12:00:00.000000Z', '2026-11-26T22:10:01.307486Z', NULL);
SELECT pg_catalog.setval('public.answer_id_seq', 1, true);
SELECT pg_catalog.setval('public.attempt_id_seq', 1, false);
SELECT pg_catalog.setval('public.box_id_seq', 4, true);
SELECT pg_catalog.setval('public.claim_id_seq', 2, true);
SELECT pg_catalog.setval('public.coverage_id_seq', 1, true);
SELECT pg_catalog.setval('public.file_id_seq', 1, true);
SELECT pg_catalog.setval('public.job_id_seq', 1, true);
SELECT pg_catalog.setval('public.library_id_seq', 1, true);
SELECT pg_catalog.setval('public.moment_id_seq', 2, true);
SELECT pg_catalog.setval('public.night_id_seq', 1, false);
SELECT pg_catalog.setval('public.question_id_seq', 1, true);
SELECT pg_catalog.setval('public.run_id_seq', 1, true);
SELECT pg_catalog.setval('public.screen_text_id_seq', 1, true);
SELECT pg_catalog.setval('public.segment_id_seq', 3, true);
SELECT pg_catalog.setval('public.standing_question_id_seq', 1, false);
SELECT pg_catalog.setval('public.switch_id_seq', 1, false);
SELECT pg_catalog.setval('public.track_id_seq', 1, true);
SELECT pg_catalog.setval('public.vector_generation_id_seq', 1, false);
SELECT pg_catalog.setval('public.video_id_seq', 1, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.answer
    ADD CONSTRAINT pk_answer PRIMARY KEY (id);
ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT pk_attempt PRIMARY KEY (id);
ALTER TABLE ONLY public.box
    ADD CONSTRAINT pk_box PRIMARY KEY (id);
ALTER TABLE ONLY public.claim
    ADD CONSTRAINT pk_claim PRIMARY KEY (id);
ALTER TABLE ONLY public.coverage
    ADD CONSTRAINT pk_coverage PRIMARY KEY (id);
ALTER TABLE ONLY public.embedding
    ADD CONSTRAINT pk_embedding PRIMARY KEY (moment_id);
ALTER TABLE ONLY public.file
    ADD CONSTRAINT pk_file PRIMARY KEY (id);
ALTER TABLE ONLY public.hidden
    ADD CONSTRAINT pk_hidden PRIMARY KEY (video_id, run_id);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT pk_job PRIMARY KEY (id);
ALTER TABLE ONLY public.job_question
    ADD CONSTRAINT pk_job_question PRIMARY KEY (job_id, question_id);
ALTER TABLE ONLY public.library
    ADD CONSTRAINT pk_library PRIMARY KEY (id);
ALTER TABLE ONLY public.moment
    ADD CONSTRAINT pk_moment PRIMARY KEY (id);
ALTER TABLE ONLY public.night
    ADD CONSTRAINT pk_night PRIMARY KEY (id);
ALTER TABLE ONLY public.question
    ADD CONSTRAINT pk_question PRIMARY KEY (id);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT pk_run PRIMARY KEY (id);
ALTER TABLE ONLY public.screen_text
    ADD CONSTRAINT pk_screen_text PRIMARY KEY (id);
ALTER TABLE ONLY public.seen
    ADD CONSTRAINT pk_seen PRIMARY KEY (video_id, run_id, start_s);
ALTER TABLE ONLY public.segment
    ADD CONSTRAINT pk_segment PRIMARY KEY (id);
ALTER TABLE ONLY public.standing_question
    ADD CONSTRAINT pk_standing_question PRIMARY KEY (id);
ALTER TABLE ONLY public.switch
    ADD CONSTRAINT pk_switch PRIMARY KEY (id);
ALTER TABLE ONLY public.switched
    ADD CONSTRAINT pk_switched PRIMARY KEY (switch_id, video_id);
ALTER TABLE ONLY public.track
    ADD CONSTRAINT pk_track PRIMARY KEY (id);
ALTER TABLE ONLY public.vector_generation
    ADD CONSTRAINT pk_vector_generation PRIMARY KEY (id);
ALTER TABLE ONLY public.video
    ADD CONSTRAINT pk_video PRIMARY KEY (id);
ALTER TABLE ONLY public.answer
    ADD CONSTRAINT uq_answer_segment_id_question_id UNIQUE (segment_id, question_id);
ALTER TABLE ONLY public.box
    ADD CONSTRAINT uq_box_claim_id_position UNIQUE (claim_id, "position");
ALTER TABLE ONLY public.claim
    ADD CONSTRAINT uq_claim_answer_id_position UNIQUE (answer_id, "position");
ALTER TABLE ONLY public.file
    ADD CONSTRAINT uq_file_library_id_path UNIQUE (library_id, path);
ALTER TABLE ONLY public.job_question
    ADD CONSTRAINT uq_job_question_job_id_position UNIQUE (job_id, "position");
ALTER TABLE ONLY public.job
    ADD CONSTRAINT uq_job_video_id_question_set_run_id UNIQUE (video_id, question_set, run_id);
ALTER TABLE ONLY public.library
    ADD CONSTRAINT uq_library_name UNIQUE (name);
ALTER TABLE ONLY public.question
    ADD CONSTRAINT uq_question_task_text UNIQUE (task, text);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT uq_run_fingerprint UNIQUE (fingerprint);
ALTER TABLE ONLY public.segment
    ADD CONSTRAINT uq_segment_job_id_position UNIQUE (job_id, "position");
ALTER TABLE ONLY public.standing_question
    ADD CONSTRAINT uq_standing_question_library_id_question_id UNIQUE (library_id, question_id);
ALTER TABLE ONLY public.vector_generation
    ADD CONSTRAINT uq_vector_generation_file_name UNIQUE (file_name);
ALTER TABLE ONLY public.video
    ADD CONSTRAINT uq_video_content_hash UNIQUE (content_hash);
CREATE INDEX ix_attempt_job_id ON public.attempt USING btree (job_id);
CREATE INDEX ix_claim_moment_id ON public.claim USING btree (moment_id);
CREATE INDEX ix_claim_subject ON public.claim USING btree (subject);
CREATE INDEX ix_coverage_segment_id ON public.coverage USING btree (segment_id);
CREATE INDEX ix_file_video_id ON public.file USING btree (video_id);
CREATE INDEX ix_job_run_id_id ON public.job USING btree (run_id, id) WHERE (state = 'pending'::text);
CREATE INDEX ix_job_state ON public.job USING btree (state);
CREATE INDEX ix_moment_answer_id ON public.moment USING btree (answer_id);
CREATE INDEX ix_moment_video_id_start_s ON public.moment USING btree (video_id, start_s);
CREATE INDEX ix_night_started_at ON public.night USING btree (started_at);
CREATE INDEX ix_screen_text_segment_id ON public.screen_text USING btree (segment_id);
CREATE INDEX ix_segment_committed_at ON public.segment USING btree (committed_at);
CREATE INDEX ix_track_label ON public.track USING btree (label);
CREATE INDEX ix_track_segment_id ON public.track USING btree (segment_id);
CREATE INDEX moment_fts ON public.moment USING gin (words);
ALTER TABLE ONLY public.answer
    ADD CONSTRAINT fk_answer_question_id_question FOREIGN KEY (question_id) REFERENCES public.question(id);
ALTER TABLE ONLY public.answer
    ADD CONSTRAINT fk_answer_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.answer
    ADD CONSTRAINT fk_answer_segment_id_segment FOREIGN KEY (segment_id) REFERENCES public.segment(id);
ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT fk_attempt_job_id_job FOREIGN KEY (job_id) REFERENCES public.job(id);
ALTER TABLE ONLY public.box
    ADD CONSTRAINT fk_box_claim_id_claim FOREIGN KEY (claim_id) REFERENCES public.claim(id);
ALTER TABLE ONLY public.claim
    ADD CONSTRAINT fk_claim_answer_id_answer FOREIGN KEY (answer_id) REFERENCES public.answer(id);
ALTER TABLE ONLY public.claim
    ADD CONSTRAINT fk_claim_moment_id_moment FOREIGN KEY (moment_id) REFERENCES public.moment(id);
ALTER TABLE ONLY public.claim
    ADD CONSTRAINT fk_claim_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.coverage
    ADD CONSTRAINT fk_coverage_segment_id_segment FOREIGN KEY (segment_id) REFERENCES public.segment(id);
ALTER TABLE ONLY public.embedding
    ADD CONSTRAINT fk_embedding_moment_id_moment FOREIGN KEY (moment_id) REFERENCES public.moment(id);
ALTER TABLE ONLY public.file
    ADD CONSTRAINT fk_file_library_id_library FOREIGN KEY (library_id) REFERENCES public.library(id);
ALTER TABLE ONLY public.file
    ADD CONSTRAINT fk_file_video_id_video FOREIGN KEY (video_id) REFERENCES public.video(id);
ALTER TABLE ONLY public.hidden
    ADD CONSTRAINT fk_hidden_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.hidden
    ADD CONSTRAINT fk_hidden_video_id_video FOREIGN KEY (video_id) REFERENCES public.video(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.job_question
    ADD CONSTRAINT fk_job_question_job_id_job FOREIGN KEY (job_id) REFERENCES public.job(id);
ALTER TABLE ONLY public.job_question
    ADD CONSTRAINT fk_job_question_question_id_question FOREIGN KEY (question_id) REFERENCES public.question(id);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT fk_job_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT fk_job_video_id_video FOREIGN KEY (video_id) REFERENCES public.video(id);
ALTER TABLE ONLY public.moment
    ADD CONSTRAINT fk_moment_answer_id_answer FOREIGN KEY (answer_id) REFERENCES public.answer(id);
ALTER TABLE ONLY public.moment
    ADD CONSTRAINT fk_moment_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.moment
    ADD CONSTRAINT fk_moment_video_id_video FOREIGN KEY (video_id) REFERENCES public.video(id);
ALTER TABLE ONLY public.screen_text
    ADD CONSTRAINT fk_screen_text_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.screen_text
    ADD CONSTRAINT fk_screen_text_segment_id_segment FOREIGN KEY (segment_id) REFERENCES public.segment(id);
ALTER TABLE ONLY public.seen
    ADD CONSTRAINT fk_seen_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.seen
    ADD CONSTRAINT fk_seen_video_id_video FOREIGN KEY (video_id) REFERENCES public.video(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.segment
    ADD CONSTRAINT fk_segment_job_id_job FOREIGN KEY (job_id) REFERENCES public.job(id);
ALTER TABLE ONLY public.standing_question
    ADD CONSTRAINT fk_standing_question_library_id_library FOREIGN KEY (library_id) REFERENCES public.library(id);
ALTER TABLE ONLY public.standing_question
    ADD CONSTRAINT fk_standing_question_question_id_question FOREIGN KEY (question_id) REFERENCES public.question(id);
ALTER TABLE ONLY public.switch
    ADD CONSTRAINT fk_switch_from_run_id_run FOREIGN KEY (from_run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.switch
    ADD CONSTRAINT fk_switch_to_run_id_run FOREIGN KEY (to_run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.switched
    ADD CONSTRAINT fk_switched_switch_id_switch FOREIGN KEY (switch_id) REFERENCES public.switch(id);
ALTER TABLE ONLY public.switched
    ADD CONSTRAINT fk_switched_video_id_video FOREIGN KEY (video_id) REFERENCES public.video(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.track
    ADD CONSTRAINT fk_track_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.track
    ADD CONSTRAINT fk_track_segment_id_segment FOREIGN KEY (segment_id) REFERENCES public.segment(id);

/* SPDX-License-Identifier: Apache-2.0 */
/* Summaries of SQL: what applications write, what names a table and what does not, hostile bytes,
 * the cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/base/utf8.h"
#include "collector/usm/summary.h"

#define TEN "abcdefghij"
#define SIXTY TEN TEN TEN TEN TEN TEN

struct summary_case {
    const char *text;
    const char *summary;
};

/* The output is fenced: a byte beyond EYE_SUMMARY_BYTES may not change. */
static void summarise(const char *text, size_t bytes, bool cut, char *ret_summary)
{
    char summary[EYE_SUMMARY_BYTES + 1];
    memset(summary, '#', sizeof(summary));
    size_t length = eye_summarise((const uint8_t *)text, bytes, cut, summary);
    assert_int_equal(summary[EYE_SUMMARY_BYTES], '#');
    assert_int_equal(strnlen(summary, EYE_SUMMARY_BYTES), length);
    assert_true(length < EYE_SUMMARY_BYTES);
    memcpy(ret_summary, summary, length + 1);
}

static bool begins(const char *text, const char *start)
{
    size_t length = strlen(start);
    return strncmp(text, start, length) == 0 &&
           (length == 0 || text[length] == '\0' || text[length] == ' ');
}

/* Cut anywhere, a text says less, and nothing else. */
static void assert_cuts(const struct summary_case *wanted)
{
    for (size_t bytes = 0; bytes <= strlen(wanted->text); bytes++) {
        char summary[EYE_SUMMARY_BYTES];
        summarise(wanted->text, bytes, true, summary);
        if (!begins(wanted->summary, summary)) {
            fail_msg("\"%.*s\" is \"%s\", not of \"%s\"", (int)bytes, wanted->text, summary,
                     wanted->summary);
        }
    }
}

static void assert_summary(const struct summary_case *wanted)
{
    char summary[EYE_SUMMARY_BYTES];
    summarise(wanted->text, strlen(wanted->text), false, summary);
    if (strcmp(summary, wanted->summary) != 0) {
        fail_msg("\"%s\" is \"%s\", not \"%s\"", wanted->text, summary, wanted->summary);
    }
    assert_cuts(wanted);
}

static void assert_summaries(const struct summary_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_summary(&cases[i]);
    }
}

/* "Generating a summary of the query". */
static void summarise__follows_the_conventions_examples(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"SELECT * FROM wuser_table WHERE username = ?", "SELECT wuser_table"},
        {"INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders "
         "WHERE order_id = ?",
         "INSERT shipping_details SELECT orders"},
        {"SELECT * FROM songs, artists WHERE songs.artist_id == artists.id",
         "SELECT songs artists"},
        {"SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = "
         "c.customer_id)",
         "SELECT SELECT orders customers"},
        {"SELECT * FROM \"song list\", \"artists\"", "SELECT \"song list\" \"artists\""},
        {"SELECT * FROM `song list`", "SELECT `song list`"},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__knows_what_pgbench_asks(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"BEGIN;", "BEGIN"},
        {"UPDATE pgbench_accounts SET abalance = abalance + 0000 WHERE aid = 00000;",
         "UPDATE pgbench_accounts"},
        {"SELECT abalance FROM pgbench_accounts WHERE aid = $1;", "SELECT pgbench_accounts"},
        {"UPDATE pgbench_tellers SET tbalance = tbalance + -000 WHERE tid = 0;",
         "UPDATE pgbench_tellers"},
        {"INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (0, 0, 00000, 000, "
         "CURRENT_TIMESTAMP);",
         "INSERT pgbench_history"},
        {"END;", "END"},
        {"truncate table pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers",
         "TRUNCATE pgbench_accounts pgbench_branches pgbench_history pgbench_tellers"},
        {"drop table if exists pgbench_accounts, pgbench_branches",
         "DROP TABLE pgbench_accounts pgbench_branches"},
        {"create table pgbench_history(tid int,bid int,aid    int,delta int,mtime timestamp,"
         "filler char(00))",
         "CREATE TABLE pgbench_history"},
        {"copy pgbench_accounts from stdin with (freeze on)", "COPY pgbench_accounts"},
        {"alter table pgbench_branches add primary key (bid)", "ALTER TABLE pgbench_branches"},
        {"vacuum analyze pgbench_branches", "VACUUM pgbench_branches"},
        {"select count(*) from pgbench_branches", "SELECT pgbench_branches"},
        {"select o.n, p.partstrat, pg_catalog.count(i.inhparent) from pg_catalog.pg_class as c "
         "join pg_catalog.pg_namespace as n on (n.oid = c.relnamespace)",
         "SELECT pg_catalog.pg_class pg_catalog.pg_namespace"},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__knows_what_frameworks_write(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        /* Hibernate */
        {"select u1_0.id,u1_0.email,u1_0.name from users u1_0 where u1_0.id=?", "SELECT users"},
        {"select nextval ('hibernate_sequence')", "SELECT"},
        {"/* load com.shop.Order */ select o1_0.id,l1_0.order_id from orders o1_0 left join "
         "order_line l1_0 on o1_0.id=l1_0.order_id where o1_0.id=$1",
         "SELECT orders order_line"},
        {"insert into users (email,name,id) values (?,?,?)", "INSERT users"},
        {"update users set email=?,name=?,version=? where id=? and version=?", "UPDATE users"},
        {"delete from users u1_0 where u1_0.id=?", "DELETE users"},
        {"select next_val as id_val from hibernate_sequence for update",
         "SELECT hibernate_sequence"},
        /* Django */
        {"SELECT (0) AS \"a\" FROM \"app_user\" WHERE \"app_user\".\"email\" = $1 LIMIT 0",
         "SELECT \"app_user\""},
        {"SELECT COUNT(*) AS \"__count\" FROM \"auth_user\" INNER JOIN \"auth_group\" ON "
         "(\"auth_user\".\"id\" = \"auth_group\".\"user_id\")",
         "SELECT \"auth_user\" \"auth_group\""},
        {"INSERT INTO `django_session` (`session_key`, `session_data`) VALUES (",
         "INSERT `django_session`"},
        {"SAVEPOINT \"s00000_x0\"", "SAVEPOINT"},
        {"RELEASE SAVEPOINT \"s00000_x0\"", "RELEASE"},
        {"UPDATE \"django_session\" SET \"session_data\" = ", "UPDATE \"django_session\""},
        /* ActiveRecord */
        {"SELECT \"users\".* FROM \"users\" WHERE \"users\".\"id\" = $1 LIMIT $2",
         "SELECT \"users\""},
        {"SELECT 0 AS one FROM \"posts\" WHERE \"posts\".\"slug\" = $1 LIMIT $2",
         "SELECT \"posts\""},
        {"SELECT `users`.* FROM `users` /*application:Shop,controller:users,action:index*/",
         "SELECT `users`"},
        {"INSERT INTO \"posts\" (\"title\") VALUES ($1) RETURNING \"id\"", "INSERT \"posts\""},
        {"TRANSACTION", ""},
        /* SQLAlchemy */
        {"SELECT users.id AS users_id, users.name AS users_name \nFROM users \nWHERE users.id = "
         "%(pk_0)s",
         "SELECT users"},
        {"SELECT anon_0.id \nFROM (SELECT a.id AS id \nFROM a \n LIMIT $1::INTEGER) AS anon_0 "
         "LEFT OUTER JOIN b AS b_0 ON anon_0.id = b_0.a_id",
         "SELECT SELECT a b"},
        {"select pg_catalog.version()", "SELECT"},
        {"ROLLBACK", "ROLLBACK"},
        /* Sequelize, Prisma, TypeORM, Knex */
        {"SELECT `id`, `createdAt` FROM `Users` AS `User` WHERE `User`.`id` = 0;",
         "SELECT `Users`"},
        {"SELECT \"public\".\"User\".\"id\" FROM \"public\".\"User\" WHERE 0=0 OFFSET $1",
         "SELECT \"public\".\"User\""},
        {"SELECT \"User\".\"id\" AS \"User_id\" FROM \"user\" \"User\" WHERE "
         "(\"User\".\"id\" IN ($1))",
         "SELECT \"user\""},
        {"START TRANSACTION;", "START"},
        {"select * from `orders` where `id` in (?, ?, ?) order by `a` asc, `b` desc",
         "SELECT `orders`"},
        /* JDBC, drivers */
        {"SET extra_float_digits = 0", "SET"},
        {"SET autocommit=0", "SET"},
        {"SHOW TRANSACTION ISOLATION LEVEL", "SHOW"},
        {"SELECT @@session.auto_increment_increment AS auto_increment_increment, @@character_set",
         "SELECT"},
        {"/* mysql-connector-j-0.0.00 (Revision: 0000) */SELECT  @@session.tx_isolation FROM x",
         "SELECT x"},
        {"SELECT 0", "SELECT"},
        /* WordPress */
        {"SELECT SQL_CALC_FOUND_ROWS  wp_posts.ID\n\t\t\t\t\tFROM wp_posts  LEFT JOIN "
         "wp_term_relationships ON (wp_posts.ID = wp_term_relationships.object_id) WHERE 0=0",
         "SELECT wp_posts wp_term_relationships"},
        {"SELECT option_name, option_value FROM wp_options WHERE autoload IN (",
         "SELECT wp_options"},
        {"SELECT FOUND_ROWS()", "SELECT"},
        {"SHOW FULL COLUMNS FROM `wp_options`", "SHOW"},
        {"DESCRIBE wp_posts;", "DESCRIBE wp_posts"},
        {"SELECT   wp_posts.* FROM wp_posts  WHERE 0=0  ORDER BY wp_posts.menu_order, "
         "wp_posts.post_date DESC LIMIT 0, 00",
         "SELECT wp_posts"},
        {"INSERT INTO `wp_options` (`option_name`) VALUES (0) ON DUPLICATE KEY UPDATE "
         "`option_name` = VALUES(`option_name`), `option_value` = 0, b = 0",
         "INSERT `wp_options`"},
        {"DELETE a, b FROM wp_options a, wp_options b WHERE a.option_name LIKE ",
         "DELETE wp_options wp_options"},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__lists_what_is_read(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"SELECT users", "SELECT"},
        {"  \t\r\n\f\vselect 0 from users", "SELECT users"},
        {"SELECT 0 FROM a, b", "SELECT a b"},
        {"SELECT 0 FROM a x, b AS y, c WHERE d, e", "SELECT a b c"},
        {"SELECT 0 FROM a AS x JOIN b", "SELECT a b"},
        {"SELECT 0 FROM a NATURAL LEFT OUTER JOIN b USING (c, d) CROSS JOIN e", "SELECT a b e"},
        {"SELECT STRAIGHT_JOIN x, y FROM a STRAIGHT_JOIN b", "SELECT a b"},
        {"SELECT 0 FROM ONLY t", "SELECT t"},
        {"SELECT 0 FROM ONLY (t), u", "SELECT t u"},
        {"SELECT 0 FROM t *, u", "SELECT u"},
        {"SELECT 0 FROM a, LATERAL (SELECT 0 FROM b WHERE b.x = a.x) AS c, d",
         "SELECT a SELECT b d"},
        {"SELECT 0 FROM (a, b) LEFT JOIN (c JOIN d ON c.x = d.x) ON a.x = c.x", "SELECT a b c d"},
        {"SELECT 0 FROM ((SELECT 0 FROM a) UNION (SELECT 0 FROM b)) x, c",
         "SELECT SELECT a SELECT b c"},
        {"SELECT 0 FROM (VALUES (0, 0), (0, 0)) AS v (x, y), t", "SELECT t"},
        {"SELECT 0 FROM generate_series(0, 0)", "SELECT"},
        {"SELECT 0 FROM generate_series (a, b) AS g, t", "SELECT t"},
        {"SELECT 0 FROM pg_catalog.unnest($1) x JOIN t ON t.x = x", "SELECT t"},
        {"SELECT 0 FROM a JOIN LATERAL f(x) AS y ON 0 = 0", "SELECT a"},
        {"SELECT 0 FROM temp, tables", "SELECT temp tables"},
        {"(TABLE t) UNION (SELECT 0 FROM u)", "TABLE t SELECT u"},
        {"SELECT 0 FROM ROWS FROM (f(0), g(a, b)) AS x, t", "SELECT t"},
        {"SELECT 0 FROM rows, t", "SELECT rows t"},
        {"SELECT 0 FROM t TABLESAMPLE SYSTEM (0), u", "SELECT t u"},
        {"SELECT 0 FROM t PARTITION (p0, p1) USE INDEX (i, j), u", "SELECT t u"},
        {"SELECT 0 FROM { OJ a LEFT OUTER JOIN b ON a.x = b.x }", "SELECT b"},
        {"SELECT (SELECT max(x) FROM a), f(b, c) FROM d", "SELECT SELECT a d"},
        {"SELECT 0 FROM users WHERE id IN (SELECT user_id FROM orders)",
         "SELECT users SELECT orders"},
        {"SELECT 0 FROM a WHERE EXISTS (SELECT 0 FROM b JOIN c USING (x)) GROUP BY d, e",
         "SELECT a SELECT b c"},
        {"SELECT 0 FROM a UNION ALL SELECT 0 FROM b", "SELECT a SELECT b"},
        {"(SELECT 0 FROM a) EXCEPT (SELECT 0 FROM b) ORDER BY x, y", "SELECT a SELECT b"},
        {"((SELECT 0 FROM a))", "SELECT a"},
        {"TABLE t", "TABLE t"},
        {"TABLE ONLY t", "TABLE t"},
        {"VALUES (0, 0)", "VALUES"},
        {"SELECT a, b INTO TEMPORARY TABLE t FROM u", "SELECT t u"},
        {"SELECT a INTO @x, @y FROM u", "SELECT u"},
        {"SELECT a FROM u INTO OUTFILE ", "SELECT u"},
        {"SELECT 0 FROM t FOR UPDATE", "SELECT t"},
        {"SELECT 0 FROM t FOR NO KEY UPDATE OF t, u SKIP LOCKED", "SELECT t"},
        {"SELECT 0 FROM t LOCK IN SHARE MODE", "SELECT t"},
        {"SELECT 0 FROM t HAVING a, b", "SELECT t"},
        {"SELECT 0 FROM t WINDOW w AS (PARTITION BY a, b), v AS (ORDER BY c)", "SELECT t"},
        {"SELECT 0 FROM t LIMIT 0, x", "SELECT t"},
        {"SELECT 0 FROM t OFFSET $1 FETCH FIRST ROW ONLY", "SELECT t"},
        {"SELECT 0 FROM a ON b, c INTERSECT SELECT d, e", "SELECT a c SELECT"},
        {"SELECT 0 FROM t PROCEDURE ANALYSE(), u", "SELECT t"},
        {"SELECT 0 FROM a JOIN b ON a.x @> ARRAY[b.y, b.z], c", "SELECT a b c"},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__ends_the_list_before_a_clause(void **state)
{
    (void)state;
    static const char *const words[] = {
        "WHERE",   "GROUP", "HAVING", "ORDER",    "LIMIT",     "OFFSET",    "FETCH",
        "FOR",     "UNION", "EXCEPT", "WINDOW",   "INTERSECT", "SET",       "VALUES",
        "OUTFILE", "TO",    "UPDATE", "DUMPFILE", "RETURNING", "PROCEDURE",
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(words); i++) {
        char text[64];
        snprintf(text, sizeof(text), "SELECT 0 FROM t, u AS x %s a, b", words[i]);
        assert_summary(&(struct summary_case){text, "SELECT t u"});
        snprintf(text, sizeof(text), "SELECT 0 FROM %s, b", words[i]);
        assert_summary(&(struct summary_case){text, "SELECT"});
    }
}

/* FROM is said of other things, too. */
static void summarise__takes_no_argument_for_a_table(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"SELECT EXTRACT(year FROM ts) FROM t", "SELECT t"},
        {"SELECT EXTRACT(year FROM ts), b", "SELECT"},
        {"SELECT TRIM(BOTH FROM a), TRIM(x FROM y) FROM t", "SELECT t"},
        {"SELECT SUBSTRING(x FROM 0 FOR 0), SUBSTRING(x FROM y) FROM t", "SELECT t"},
        {"SELECT OVERLAY(a PLACING b FROM c FOR d) FROM t", "SELECT t"},
        {"SELECT 0 FROM t WHERE a IS DISTINCT FROM b", "SELECT t"},
        {"SELECT 0 FROM t WHERE a IS NOT DISTINCT FROM b AND c = EXTRACT(dow FROM d)", "SELECT t"},
        {"SELECT a.distinct FROM t", "SELECT t"},
        {"SELECT \"distinct\" FROM t", "SELECT t"},
        {"UPDATE t SET a = EXTRACT(year FROM b)", "UPDATE t"},
        {"SELECT f(a, (b) FROM c) FROM t", "SELECT t"},
        {"SELECT a.from, @from, :from b FROM t", "SELECT t"},
        {"SELECT a . select, b.join FROM t", "SELECT t"},
        {"SELECT 0 FROM @x", "SELECT"},
        {"SELECT 0 FROM ?, t", "SELECT t"},
        {"SELECT 0 FROM $1, t", "SELECT t"},
        {"SELECT 0 FROM 0", "SELECT"},
        {"SELECT 0. FROM t", "SELECT t"},
        {"SELECT 0.0e0, .0 FROM t", "SELECT t"},
        {"SELECT 0 FROM 0users, t", "SELECT t"},
        {"SELECT 0 FROM 0.0, t", "SELECT t"},
        {"SELECT 0 FROM WHERE a", "SELECT"},
        {"SELECT 0 FROM SELECT 0 FROM b", "SELECT SELECT b"},
        {"SELECT 0 FROM a-b, t", "SELECT t"},
        {"SELECT 0 FROM a@b, t", "SELECT t"},
        {"SELECT 0 FROM U&\"d\", t", "SELECT t"},
        {"SELECT 0 FROM a.0, t", "SELECT t"},
        {"SELECT 0 FROM a.*, t", "SELECT t"},
        {"SELECT 0 FROM t AS JOIN u", "SELECT t u"},
        {"SELECT 0 FROM AS x, t", "SELECT t"},
        {"SELECT 0 FROM (TABLE a), t", "SELECT t"},
        {"SELECT 0 FROM t 0", "SELECT"},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__names_what_is_changed(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"INSERT INTO t VALUES (0)", "INSERT t"},
        {"INSERT t (a) VALUES (0)", "INSERT t"},
        {"INSERT INTO t(a, b) VALUES (0, 0)", "INSERT t"},
        {"INSERT LOW_PRIORITY IGNORE INTO t SET a = 0, b = 0", "INSERT t"},
        {"INSERT HIGH_PRIORITY t VALUES (0)", "INSERT t"},
        {"INSERT DELAYED INTO t VALUES (0)", "INSERT t"},
        {"INSERT INTO t DEFAULT VALUES", "INSERT t"},
        {"INSERT INTO t AS x (a) VALUES (0) ON CONFLICT (a) DO UPDATE SET a = 0, b = x.b "
         "WHERE x.a IS DISTINCT FROM 0",
         "INSERT t"},
        {"INSERT INTO t SELECT a, b FROM u ON DUPLICATE KEY UPDATE c = d, e = 0",
         "INSERT t SELECT u"},
        {"INSERT INTO t (a) (SELECT a FROM u)", "INSERT t SELECT u"},
        {"INSERT INTO t WITH x AS (SELECT 0 FROM a) SELECT 0 FROM x, b", "INSERT t SELECT b"},
        {"INSERT INTO t VALUES ((SELECT max(a) FROM u), 0)", "INSERT t SELECT u"},
        {"REPLACE INTO t VALUES (0)", "REPLACE t"},
        {"REPLACE LOW_PRIORITY t SET a = 0", "REPLACE t"},
        {"UPDATE t SET a = 0, b = 0", "UPDATE t"},
        {"UPDATE ONLY t SET a = 0", "UPDATE t"},
        {"UPDATE LOW_PRIORITY IGNORE t SET a = 0", "UPDATE t"},
        {"UPDATE t x SET a = y.a FROM u y JOIN v ON v.x = y.x WHERE x.b = y.b", "UPDATE t u v"},
        {"UPDATE a, b SET a.x = b.x, c = 0", "UPDATE a b"},
        {"UPDATE a x JOIN b ON x.c = b.c SET x.d = 0", "UPDATE a b"},
        {"UPDATE t SET a = (SELECT b FROM u), c = 0 WHERE d IN (SELECT e FROM v)",
         "UPDATE t SELECT u SELECT v"},
        {"DELETE FROM t", "DELETE t"},
        {"DELETE FROM ONLY t", "DELETE t"},
        {"DELETE LOW_PRIORITY QUICK FROM t WHERE a = 0", "DELETE t"},
        {"DELETE x FROM users x JOIN orders y ON x.a = y.a", "DELETE users orders"},
        {"DELETE FROM t USING u AS x, v JOIN w USING (y, z) WHERE t.a = x.a", "DELETE t u v w"},
        {"DELETE FROM t USING u JOIN v USING (a, b)", "DELETE t u v"},
        {"UPDATE t SET a = 0 RETURNING b INTO c", "UPDATE t"},
        {"DELETE FROM t USING (SELECT 0 FROM u) x", "DELETE t SELECT u"},
        {"MERGE INTO t AS x USING s ON x.a = s.a WHEN MATCHED THEN UPDATE SET b = 0, c = 0 WHEN "
         "NOT MATCHED THEN INSERT (a, b) VALUES (s.a, s.b)",
         "MERGE t s"},
        {"MERGE ONLY t USING (SELECT 0 FROM u) s ON 0 = 0 WHEN MATCHED THEN DELETE",
         "MERGE t SELECT u"},
        {"TRUNCATE t", "TRUNCATE t"},
        {"TRUNCATE TABLE ONLY a, b RESTART IDENTITY", "TRUNCATE a b"},
        {"COPY t (a, b) TO STDOUT", "COPY t"},
        {"COPY BINARY t FROM STDIN", "COPY t"},
        {"COPY (SELECT 0 FROM t) TO STDOUT", "COPY SELECT t"},
        {"CALL proc(0, x)", "CALL proc"},
        {"CALL app.proc", "CALL app.proc"},
        {"LOCK TABLE a, ONLY b IN ACCESS EXCLUSIVE MODE", "LOCK a b"},
        {"LOCK TABLES a READ, b AS x WRITE", "LOCK a b"},
        {"LOCK t", "LOCK t"},
        {"LOAD DATA LOCAL INFILE $1 REPLACE INTO TABLE t FIELDS", "LOAD t"},
        {"LOAD DATA INFILE ", "LOAD"},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__names_what_is_created(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"CREATE TABLE t (a int DEFAULT 0, b int REFERENCES u (c) ON DELETE CASCADE ON UPDATE "
         "SET NULL, CHECK (a > 0))",
         "CREATE TABLE t"},
        {"CREATE TABLE IF NOT EXISTS s.t (a int)", "CREATE TABLE s.t"},
        {"CREATE TEMPORARY TABLE t SELECT 0 FROM u", "CREATE TABLE t SELECT u"},
        {"CREATE UNLOGGED TABLE t WITH (fillfactor = 0) AS SELECT 0 FROM u",
         "CREATE TABLE t SELECT u"},
        {"CREATE TABLE t PARTITION OF u FOR VALUES FROM (0) TO (0)", "CREATE TABLE t"},
        {"CREATE TABLE t LIKE u", "CREATE TABLE t"},
        {"CREATE FOREIGN TABLE t (a int) SERVER s", "CREATE TABLE t"},
        {"CREATE INDEX i ON t (a)", "CREATE INDEX t"},
        {"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.t USING btree (a, b)",
         "CREATE INDEX s.t"},
        {"CREATE INDEX ON t (lower(a))", "CREATE INDEX t"},
        {"DROP INDEX CONCURRENTLY IF EXISTS i", "DROP INDEX i"},
        {"ALTER INDEX i RENAME TO j", "ALTER INDEX i"},
        {"CREATE OR REPLACE VIEW v (a, b) AS SELECT a, b FROM t", "CREATE VIEW v SELECT t"},
        {"CREATE ALGORITHM=MERGE DEFINER=user@localhost SQL SECURITY DEFINER VIEW v AS SELECT 0",
         "CREATE VIEW v SELECT"},
        {"CREATE MATERIALIZED VIEW v AS WITH x AS (SELECT 0 FROM a) SELECT 0 FROM x JOIN b",
         "CREATE VIEW v SELECT b"},
        {"REFRESH MATERIALIZED VIEW CONCURRENTLY v WITH NO DATA", "REFRESH v"},
        {"CREATE DATABASE shop", "CREATE DATABASE shop"},
        {"DROP SCHEMA IF EXISTS s CASCADE", "DROP SCHEMA s"},
        {"ALTER TABLE IF EXISTS ONLY t ADD COLUMN a int, ADD b int", "ALTER TABLE t"},
        {"ALTER TABLE t DROP COLUMN a, DROP CONSTRAINT b", "ALTER TABLE t"},
        {"DROP TABLE a, s.b CASCADE; DROP VIEW c", "DROP TABLE a s.b DROP VIEW c"},
        {"CREATE SEQUENCE s START 0", "CREATE SEQUENCE s"},
        {"CREATE EXTENSION IF NOT EXISTS pgcrypto", "CREATE EXTENSION pgcrypto"},
        {"CREATE FUNCTION f(a int) RETURNS int BEGIN ATOMIC SELECT 0 FROM t; DELETE FROM u; END",
         "CREATE FUNCTION f"},
        {"CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW BEGIN DELETE FROM u; END",
         "CREATE TRIGGER g"},
        {"CREATE PROCEDURE p() BEGIN UPDATE t SET a = 0; END", "CREATE PROCEDURE p"},
        {"CREATE EVENT e ON SCHEDULE EVERY 0 DAY DO DELETE FROM t", "CREATE EVENT e"},
        {"CREATE RULE r AS ON INSERT TO t DO INSTEAD (DELETE FROM u; SELECT 0)", "CREATE RULE r"},
        {"DROP FUNCTION f(int); DROP TABLE t", "DROP FUNCTION f DROP TABLE t"},
        {"CREATE USER bob PASSWORD ", "CREATE USER"},
        {"DROP ROLE bob", "DROP ROLE"},
        {"ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO bob", "ALTER"},
        {"ALTER SYSTEM SET work_mem TO x", "ALTER"},
        {"CREATE POLICY p ON t FOR SELECT USING (a = 0)", "CREATE"},
        {"CREATE LOCAL TEMP TABLE t (a int)", "CREATE TABLE t"},
        {"CREATE DEFINER=`root`@`localhost` TRIGGER g BEFORE UPDATE ON t", "CREATE TRIGGER g"},
        {"CREATE FULLTEXT INDEX i ON t (a)", "CREATE INDEX t"},
        {"CREATE OR REPLACE GLOBAL RECURSIVE VIEW v AS SELECT 0", "CREATE VIEW v SELECT"},
        {"CREATE SPATIAL INDEX i ON t (a)", "CREATE INDEX t"},
        {"CREATE SQL SECURITY INVOKER VIEW v AS SELECT 0", "CREATE VIEW v SELECT"},
        {"CREATE CONSTRAINT TRIGGER g AFTER INSERT ON t", "CREATE TRIGGER g"},
        {"CREATE PUBLICATION p FOR TABLE t", "CREATE PUBLICATION p"},
        {"DROP SUBSCRIPTION s", "DROP SUBSCRIPTION s"},
        {"ALTER TYPE e ADD VALUE ", "ALTER TYPE e"},
        {"DROP DOMAIN d", "DROP DOMAIN d"},
        {"CREATE TABLESPACE s LOCATION ", "CREATE TABLESPACE s"},
        {"CREATE STATISTICS s ON a, b FROM t", "CREATE"},
        {"DROP MATERIALIZED VIEW IF EXISTS v", "DROP VIEW v"},
        {"DROP OWNED BY bob; DROP TABLE t", "DROP DROP TABLE t"},
        {"ALTER ONLY INDEX i", "ALTER"},
        {"CREATE", "CREATE"},
        {"CREATE (SELECT 0 FROM t)", "CREATE SELECT t"},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__lets_others_stand_alone(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"SHOW TABLES FROM shop", "SHOW"},
        {"SET x = (SELECT 0 FROM t)", "SET"},
        {"SET NAMES utf8mb4", "SET"},
        {"BEGIN", "BEGIN"},
        {"COMMIT", "COMMIT"},
        {"start transaction read only", "START"},
        {"FETCH 00 FROM c", "FETCH"},
        {"MOVE ALL IN c", "MOVE"},
        {"CLOSE c", "CLOSE"},
        {"LISTEN channel", "LISTEN"},
        {"DEALLOCATE ALL", "DEALLOCATE"},
        {"DISCARD ALL", "DISCARD"},
        {"EXECUTE plan(0)", "EXECUTE"},
        {"GRANT SELECT, INSERT ON t TO bob", "GRANT"},
        {"REVOKE ALL ON t FROM bob", "REVOKE"},
        {"COMMENT ON TABLE t IS ", "COMMENT"},
        {"USE shop", "USE"},
        {"KILL 00", "KILL"},
        {"UNLOCK TABLES", "UNLOCK"},
        {"FLUSH TABLES t", "FLUSH"},
        {"DO SLEEP(0)", "DO"},
        {"XA START ", "XA"},
        {"HANDLER t OPEN", "HANDLER"},
        {"ANALYZE", "ANALYZE"},
        {"VACUUM (FULL, ANALYZE) a (b, c), d", "VACUUM a d"},
        {"VACUUM FREEZE t", "VACUUM t"},
        {"REINDEX SCHEMA s", "REINDEX s"},
        {"REINDEX DATABASE d", "REINDEX d"},
        {"REINDEX SYSTEM d", "REINDEX d"},
        {"OPTIMIZE TABLE a, b", "OPTIMIZE a b"},
        {"CHECK TABLE a, b QUICK", "CHECK a b"},
        {"REPAIR TABLE a, b", "REPAIR a b"},
        {"DESCRIBE UPDATE t SET a = 0", "DESCRIBE UPDATE t"},
        {"VACUUM FULL VERBOSE t", "VACUUM t"},
        {"ANALYZE LOCAL TABLE a, b", "ANALYZE a b"},
        {"ANALYZE UPDATE t SET a = 0", "ANALYZE UPDATE t"},
        {"OPTIMIZE NO_WRITE_TO_BINLOG TABLE t", "OPTIMIZE t"},
        {"CHECK TABLE t", "CHECK t"},
        {"REPAIR TABLE t", "REPAIR t"},
        {"RENAME TABLE a TO b", "RENAME a"},
        {"REINDEX (VERBOSE) INDEX CONCURRENTLY i", "REINDEX i"},
        {"CLUSTER t USING i", "CLUSTER t"},
        {"DESC t", "DESC t"},
        {"DESCRIBE FORMAT=JSON SELECT 0 FROM t", "DESCRIBE SELECT t"},
        {"DESC DELETE FROM t", "DESC DELETE t"},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__looks_at_the_statement_inside(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"EXPLAIN SELECT 0 FROM t", "EXPLAIN SELECT t"},
        {"EXPLAIN ANALYZE VERBOSE UPDATE t SET a = 0", "EXPLAIN UPDATE t"},
        {"EXPLAIN (ANALYZE, BUFFERS) DELETE FROM t", "EXPLAIN DELETE t"},
        {"EXPLAIN FORMAT=JSON INSERT INTO t SELECT 0 FROM u", "EXPLAIN INSERT t SELECT u"},
        {"EXPLAIN EXTENDED (SELECT 0 FROM t)", "EXPLAIN SELECT t"},
        {"EXPLAIN CREATE TABLE t AS SELECT 0 FROM u", "EXPLAIN CREATE TABLE t SELECT u"},
        {"EXPLAIN REPLACE INTO t VALUES (0)", "EXPLAIN REPLACE t"},
        {"EXPLAIN VALUES (0)", "EXPLAIN VALUES"},
        {"EXPLAIN SELECT a, b", "EXPLAIN SELECT"},
        {"EXPLAIN EXECUTE plan", "EXPLAIN EXECUTE"},
        {"EXPLAIN WITH x AS (SELECT 0 FROM a) SELECT 0 FROM b", "EXPLAIN SELECT b"},
        {"PREPARE plan (int, text) AS INSERT INTO t VALUES ($1, $2)", "PREPARE INSERT t"},
        {"PREPARE plan AS SELECT 0 FROM t WHERE a = $1", "PREPARE SELECT t"},
        {"DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 0 FROM t", "DECLARE SELECT t"},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__takes_the_statement_behind_with(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"WITH x AS (SELECT 0 FROM a) SELECT 0 FROM x", "SELECT"},
        {"WITH x AS (SELECT 0 FROM a) SELECT 0 FROM X JOIN b ON b.c = x.c", "SELECT b"},
        {"WITH x AS (SELECT f(0, (0)) FROM a), y (b, c) AS (SELECT 0 FROM x) SELECT 0 FROM d, y",
         "SELECT d"},
        {"WITH RECURSIVE \"x\" AS NOT MATERIALIZED (SELECT 0) SELECT 0 FROM \"x\", s.x",
         "SELECT s.x"},
        {"WITH x AS MATERIALIZED (DELETE FROM a RETURNING b) INSERT INTO x SELECT 0 FROM x",
         "INSERT x SELECT"},
        {"WITH \"x\" AS (SELECT 0), y AS (SELECT 0) SELECT 0 FROM x, \"y\", `X`, yy, \"z\"",
         "SELECT yy \"z\""},
        {"WITH a AS(TABLE t),b AS(TABLE t),c AS(TABLE t),d AS(TABLE t),e AS(TABLE t),"
         "f AS(TABLE t),g AS(TABLE t),h AS(TABLE t),i AS(TABLE t),j AS(TABLE t)SELECT 0 FROM j,k",
         "SELECT k"},
        {"WITH x AS (SELECT 0) SELECT 0 FROM x.t", "SELECT x.t"},
        {"WITH xy AS (SELECT 0) SELECT 0 FROM x", "SELECT x"},
        {"WITH RECURSIVE x AS (SELECT 0) SEARCH DEPTH FIRST BY a SET b DELETE FROM t", "DELETE t"},
        {"WITH x AS (SELECT 0) UPDATE t SET a = x.a FROM x", "UPDATE t"},
        {"WITH x AS (SELECT 0) DELETE FROM t USING x", "DELETE t"},
        {"WITH x AS (SELECT 0) (SELECT 0 FROM t)", "SELECT t"},
        {"WITH x AS (SELECT 0) MERGE INTO t USING x ON 0 = 0", "MERGE t"},
        {"WITH RECURSIVE x AS (SELECT 0) SEARCH DEPTH FIRST BY a SET b SELECT 0 FROM t",
         "SELECT t"},
        {"WITH x AS (SELECT 0); SELECT 0 FROM x", "SELECT x"},
        {"(WITH x AS (SELECT 0) SELECT 0 FROM x, t)", "SELECT t"},
        {"SELECT 0 FROM (WITH x AS (SELECT 0 FROM a) SELECT 0 FROM x, b) AS y, c",
         "SELECT SELECT b c"},
        {"SELECT a FROM t GROUP BY b WITH ROLLUP HAVING c", "SELECT t"},
        {"SELECT a::timestamp WITH time zone FROM t", "SELECT t"},
        {"SELECT 0 FROM f(0) WITH ORDINALITY AS g, t", "SELECT t"},
        {"SELECT 0 FROM t FETCH FIRST 0 ROWS WITH TIES", "SELECT t"},
        {"WITH x AS (SELECT 0 FROM a", ""},
        {"WITH x AS (SELECT 0 FROM a)", ""},
        {"WITH x (a) SELECT 0 FROM t", "SELECT t"},
        {"WITH", ""},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__reads_no_comments(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"-- FROM a\nSELECT 0 -- FROM b\n FROM t -- , c", "SELECT t"},
        {"--FROM a\nSELECT 0 FROM t", "SELECT t"},
        {"# FROM a\nSELECT 0 # FROM b\nFROM t#, c", "SELECT t"},
        {"SELECT a #> b, c #>> d FROM t", "SELECT t"},
        {"/* FROM a */ SELECT/* FROM b */0 FROM/**/t/*, c*/, d", "SELECT t d"},
        {"SELECT 0 FROM s /* a */ . /* b */ t", "SELECT s.t"},
        {"/* /* FROM a */ SELECT 0 FROM b */ SELECT 0 FROM t", "SELECT t"},
        {"SELECT 0 FROM t /*traceparent=00-0af7651916cd43dd-00*/", "SELECT t"},
        {"/*!00000 SELECT 0 FROM t */", "SELECT t"},
        {"/*!00000SET NAMES utf8 */;", "SET"},
        {"SELECT /*!00000 SQL_NO_CACHE */ 0 FROM a /*M!000000 JOIN b */ JOIN c", "SELECT a b c"},
        {"SELECT /*!000000 HIGH_PRIORITY */ 0 FROM t", "SELECT t"},
        {"SELECT /*+ MAX_EXECUTION_TIME(0) */ 0 FROM t", "SELECT t"},
        {"SELECT 0 */* , x FROM a, */ 0 FROM t", "SELECT t"},
        {"SELECT /*!00000 a, */ 0 */* x FROM b, */ 0 FROM t", "SELECT t"},
        {"SELECT 0 */ FROM t", "SELECT t"},
        {"SELECT 0 */* FROM a */ 0 FROM t", "SELECT t"},
        {"SELECT a/b, a-b FROM t", "SELECT t"},
        {"-- SELECT 0 FROM t", ""},
        {"/* SELECT 0 FROM t", ""},
        {"/*/ SELECT 0 FROM t", ""},
        {"SELECT 0 FROM t /* , u", "SELECT t"},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__keeps_names_as_they_are_written(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"select 0 from Public.Users", "SELECT Public.Users"},
        {"SELECT 0 FROM \"a\".\"b\"", "SELECT \"a\".\"b\""},
        {"SELECT 0 FROM `a`.b", "SELECT `a`.b"},
        {"SELECT 0 FROM a . b", "SELECT a.b"},
        {"SELECT 0 FROM a.b.c", "SELECT a.b.c"},
        {"SELECT 0 FROM a.b.c.d, t", "SELECT t"},
        {"SELECT 0 FROM s.order, t", "SELECT s.order t"},
        {"SELECT 0 FROM \"select\", \"where\"", "SELECT \"select\" \"where\""},
        {"SELECT 0 FROM \"a\"\"b\", `c``d`", "SELECT \"a\"\"b\" `c``d`"},
        {"SELECT 0 FROM \"\"\"a\", \"a\"\"\"", "SELECT \"\"\"a\" \"a\"\"\""},
        {"SELECT 0 FROM \"a`b\", `c\"d`", "SELECT \"a`b\" `c\"d`"},
        {"SELECT 0 FROM \"a, b -- (c\" JOIN d", "SELECT \"a, b -- (c\" d"},
        {"SELECT 0 FROM a, \"bc", "SELECT a"},
        {"SELECT 0 FROM `", "SELECT"},
        {"SELECT 0 FROM \"a\"\"", "SELECT"},
        {"SELECT 0 FROM \"\", t", "SELECT t"},
        {"SELECT 0 FROM a$b, $c, _d", "SELECT a$b $c _d"},
        {"SELECT 0 FROM a1, b22, c333", "SELECT a1 b22 c333"},
        {"SELECT 0 FROM events_20240101", "SELECT events_?"},
        {"SELECT 0 FROM a1234b56789c, `2024`, s2024.t", "SELECT a?b?c `?` s?.t"},
        {"SELECT 0 FROM p_2024_01", "SELECT p_?_01"},
        {"SELECT 0 FROM gr\xc3\xb6\xc3\x9f"
         "e, \xe8\xa1\xa8",
         "SELECT gr\xc3\xb6\xc3\x9f"
         "e \xe8\xa1\xa8"},
        {"SELECT 0 FROM \"gr\xc3\xb6\"", "SELECT \"gr\xc3\xb6\""},
        {"SELECT 0 FROM a\xff"
         "b, t",
         "SELECT t"},
        {"SELECT 0 FROM gr\xf6\xdf"
         "e, t",
         "SELECT t"},
        {"SELECT 0 FROM \"a\xff\", t", "SELECT t"},
        {"SELECT 0 FROM \"a\nb\", t", "SELECT t"},
        {"SELECT 0 FROM a\x01, t", "SELECT t"},
        {"SELECT 0 FROM a\x7f"
         "b, t",
         "SELECT t"},
        {"SELECT 0 FROM a\xe2\x80\xae"
         "b, t",
         "SELECT t"},
        {"SELECT 0 FROM \"a\x1b[0m\", t", "SELECT t"},
        {"SELECT 0 FROM " SIXTY "abc", "SELECT " SIXTY "abc"},
        {"SELECT 0 FROM " SIXTY "abcd, t", "SELECT t"},
        {"SELECT 0 FROM \"" SIXTY "abc\"", "SELECT \"" SIXTY "abc\""},
        {"SELECT 0 FROM \"" SIXTY "abcd\", t", "SELECT t"},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__ends_between_names(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"SELECT 0 FROM a, b, c, d, e", "SELECT a b c d"},
        {"SELECT 0 FROM a, b, c, d WHERE x IN (SELECT 0 FROM e)", "SELECT a b c d SELECT"},
        {"BEGIN; SELECT 0 FROM a; COMMIT; BEGIN", "BEGIN SELECT a COMMIT"},
        {"BEGIN; UPDATE a SET b = 0; UPDATE c SET d = 0; UPDATE e SET f = 0",
         "BEGIN UPDATE a UPDATE c"},
        {"SELECT 0 FROM a UNION SELECT 0 FROM b UNION SELECT 0 FROM c UNION SELECT 0 FROM d",
         "SELECT a SELECT b SELECT c"},
        {";; SELECT 0 FROM a;;SELECT 0 FROM b;", "SELECT a SELECT b"},
        {"SELECT 0 FROM a; foo; SELECT 0 FROM b", "SELECT a"},
        {"SELECT (0; SELECT 0 FROM b", "SELECT"},
        {"SELECT 0) FROM b", "SELECT"},
        {"SELECT 0 FROM " SIXTY ", abcdefghijklmnopqrstuvwxyzab, b", "SELECT " SIXTY},
        {"SELECT 0 FROM " SIXTY ", abcdefghijklmnopqrstuvwxyz_",
         "SELECT " SIXTY " abcdefghijklmnopqrstuvwxyz_"},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
}

static void summarise__says_nothing_of_what_is_no_statement(void **state)
{
    (void)state;
    static const struct summary_case cases[] = {
        {"", ""},
        {" ", ""},
        {" \t\r\n ", ""},
        {";", ""},
        {"foo", ""},
        {"(foo SELECT 0 FROM t)", ""},
        {"\x01SELECT 0 FROM t", ""},
        {"foo SELECT 0 FROM t", ""},
        {"SELECTED 0 FROM t", ""},
        {"SEL", ""},
        {"0 SELECT 0 FROM t", ""},
        {"\"SELECT\" 0 FROM t", ""},
        {"unknown", ""},
        {"_OTHER", ""},
        {"\"", ""},
        {"`", ""},
        {"(", ""},
        {")", ""},
        {"'", ""},
        {"/", ""},
        {"-", ""},
        {"$", ""},
        {".", ""},
        {"\xff", ""},
        {"\xc3", ""},
        {"@SELECT 0 FROM t", ""},
    };
    assert_summaries(cases, EYE_ARRAY_LENGTH(cases));
    char summary[EYE_SUMMARY_BYTES];
    assert_int_equal(eye_summarise(NULL, 0, false, summary), 0);
    assert_string_equal(summary, "");
}

/* Whatever stands in it. */
static void assert_clean(const char *summary)
{
    size_t length = strlen(summary);
    for (size_t at = 0; at < length;) {
        uint32_t code_point = 0;
        size_t step = eye_utf8_decode(summary + at, length - at, &code_point);
        assert_true(step > 0);
        assert_false(eye_utf8_is_control(code_point));
        at += step;
    }
}

static void summarise__bears_nothing_but_one_byte(void **state)
{
    (void)state;
    static const char *const beginnings[] = {"", "SELECT ", "SELECT 0 FROM ", "CREATE ", "COPY "};
    for (int byte = 1; byte < 256; byte++) {
        for (size_t i = 0; i < EYE_ARRAY_LENGTH(beginnings); i++) {
            char text[192];
            memset(text, byte, sizeof(text));
            memcpy(text, beginnings[i], strlen(beginnings[i]));
            char whole[EYE_SUMMARY_BYTES];
            char cut[EYE_SUMMARY_BYTES];
            summarise(text, sizeof(text), false, whole);
            summarise(text, sizeof(text), true, cut);
            assert_clean(whole);
            assert_true(begins(whole, cut));
            assert_int_equal(i == 0, whole[0] == '\0');
        }
    }
}

/* 31 of them in each other are looked into. */
static void summarise__bears_parentheses(void **state)
{
    (void)state;
    static const char start[] = "SELECT";
    static const char inner[] = "SELECT 0 FROM t)";
    for (size_t depth = 0; depth < 192 - sizeof(start) - sizeof(inner); depth++) {
        char text[192];
        char summary[EYE_SUMMARY_BYTES];
        memset(text, '(', sizeof(text));
        memcpy(text + depth, inner, strlen(inner));
        summarise(text, sizeof(text), false, summary);
        assert_string_equal(summary, depth < 32 ? "SELECT t" : "");
        memset(text, '(', sizeof(text));
        memcpy(text, start, strlen(start));
        memcpy(text + strlen(start) + 1 + depth, inner, strlen(inner));
        summarise(text, sizeof(text), false, summary);
        assert_string_equal(summary, depth < 31 ? "SELECT SELECT t" : "SELECT");
    }
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 16;
}

/* Words in any order, and a byte now and then. */
static size_t write_hostile(uint32_t *seed, char *text, size_t room)
{
    static const char *const words[] = {
        "SELECT", "FROM",  "a",      "b",   ",",      "(",     ")",        ".",  "JOIN",    "WITH",
        "x",      "AS",    "INSERT", "SET", "INTO",   "TABLE", "UPDATE",   ";",  "/*",      "*/",
        "/*!",    "--",    "\n",     "#",   "\"a\"",  "`b`",   "\"",       "`",  "EXPLAIN", "0",
        "ON",     "USING", "WHERE",  "IF",  "CREATE", "INDEX", "DISTINCT", "$0", "DELETE",  "12345",
    };
    size_t used = 0;
    while (used < room) {
        uint32_t pick = next_random(seed);
        const char *word = words[next_random(seed) % EYE_ARRAY_LENGTH(words)];
        char byte[] = {(char)(pick >> 8), '\0'};
        int length = snprintf(text + used, room - used, "%s%s", pick % 64 == 0 ? byte : word,
                              pick % 3 == 0 ? "" : " ");
        used += (size_t)length;
    }
    return room - 1;
}

static void summarise__says_less_of_less_whatever_comes(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 3000; round++) {
        char text[193];
        size_t bytes = write_hostile(&seed, text, sizeof(text));
        char whole[EYE_SUMMARY_BYTES];
        summarise(text, bytes, false, whole);
        assert_clean(whole);
        for (size_t cut = 0; cut <= bytes; cut += 1 + next_random(&seed) % 16) {
            char summary[EYE_SUMMARY_BYTES];
            summarise(text, cut, true, summary);
            if (!begins(whole, summary)) {
                fail_msg("\"%.*s\" | \"%s\" is \"%s\", not of \"%s\"", (int)cut, text, text + cut,
                         summary, whole);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(summarise__follows_the_conventions_examples),
        cmocka_unit_test(summarise__knows_what_pgbench_asks),
        cmocka_unit_test(summarise__knows_what_frameworks_write),
        cmocka_unit_test(summarise__lists_what_is_read),
        cmocka_unit_test(summarise__ends_the_list_before_a_clause),
        cmocka_unit_test(summarise__takes_no_argument_for_a_table),
        cmocka_unit_test(summarise__names_what_is_changed),
        cmocka_unit_test(summarise__names_what_is_created),
        cmocka_unit_test(summarise__lets_others_stand_alone),
        cmocka_unit_test(summarise__looks_at_the_statement_inside),
        cmocka_unit_test(summarise__takes_the_statement_behind_with),
        cmocka_unit_test(summarise__reads_no_comments),
        cmocka_unit_test(summarise__keeps_names_as_they_are_written),
        cmocka_unit_test(summarise__ends_between_names),
        cmocka_unit_test(summarise__says_nothing_of_what_is_no_statement),
        cmocka_unit_test(summarise__bears_nothing_but_one_byte),
        cmocka_unit_test(summarise__bears_parentheses),
        cmocka_unit_test(summarise__says_less_of_less_whatever_comes),
    };
    return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}

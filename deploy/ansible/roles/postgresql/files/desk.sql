-- Says nothing where all is there: what it prints was done.
SELECT 'CREATE ROLE "roeh-desk" LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'roeh-desk') \gexec
SELECT 'CREATE DATABASE roeh OWNER "roeh-desk" TEMPLATE template0 ENCODING ''UTF8'' LOCALE ''C.UTF-8'''
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'roeh') \gexec
SELECT 'REVOKE CONNECT ON DATABASE roeh FROM PUBLIC'
WHERE EXISTS (
    SELECT FROM pg_database AS d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
    WHERE d.datname = 'roeh' AND a.grantee = 0 AND a.privilege_type = 'CONNECT'
) \gexec

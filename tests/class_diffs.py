"""Small changes of many kinds, each labelled with what a person would call it.

`Labelled("name", "security", {"path": (old, new)})`; None = the file is not there on that side.
"""
# ruff: noqa: E501  one change a line, as one reads a table

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.gates.classes import sightings
from runner.ports import Case
from runner.records.classes import ClassName
from tests.fakes import CaseBuilder

Sides = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Labelled:
    name: str
    label: ClassName
    files: Mapping[str, Sides]


def _one(name: str, label: ClassName, path: str, old: str | None, new: str | None) -> Labelled:
    return Labelled(name, label, {path: (old, new)})


DJANGO = """from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.AddField("order", "note", models.TextField(default=""))]
"""
ALEMBIC = """import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = "a0"


def upgrade():
    op.add_column("users", sa.Column("nick", sa.String(20)))
"""
RAILS = """class AddNick < ActiveRecord::Migration[7.1]
  def change
    add_column :users, :nick, :string
  end
end
"""
VIEW = """from shop.models import Order


def close(request, pk):
    order = Order.objects.get(pk=pk)
    if not request.user.has_perm("shop.close", order):
        raise PermissionDenied
    order.close()
    return redirect("orders")
"""
K8S = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
spec:
  replicas: 2
"""
PACKAGE = '{"name": "a", "dependencies": {"react": "^17.0.2", "left-pad": "~1.3.0"}}\n'
PYPROJECT = (
    '[project]\nname = "a"\nversion = "1"\ndependencies = ["httpx>=0.27,<0.28", "rich~=13.0"]\n'
)
CARGO_LOCK = """version = 3

[[package]]
name = "serde"
version = "1.0.200"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "aa"

[[package]]
name = "rand"
version = "0.8.5"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "bb"
"""

MIGRATIONS = (
    _one("django migration", "migration", "shop/migrations/0002_note.py", None, DJANGO),
    _one("django migration elsewhere", "migration", "shop/db/steps/two.py", None, DJANGO),
    _one("django migration edited", "migration", "shop/steps/two.py", DJANGO, DJANGO.replace('""', '"-"')),
    _one("alembic migration", "migration", "alembic/versions/a1_nick.py", None, ALEMBIC),
    _one("alembic in a generic name", "migration", "app/steps/s0042.py", None, ALEMBIC),
    _one("rails migration", "migration", "db/migrate/20260101_add_nick.rb", None, RAILS),
    _one("rails in a generic name", "migration", "app/jobs/tidy.rb", None, RAILS),
    _one("rails schema", "migration", "db/schema.rb", 't.string "a"\n', 't.string "b"\n'),
    _one("flyway", "migration", "src/main/resources/db/migration/V3__nick.sql", None,
         "ALTER TABLE users ADD COLUMN nick text;\n"),
    _one("plain sql", "migration", "scripts/tidy.sql", None, "DELETE FROM orders WHERE old;\n"),
    _one("ddl in a shell script", "migration", "bin/prepare.sh", "echo a\n",
         'echo a\npsql -c "alter table users drop column nick"\n'),
    _one("ddl in go", "migration", "store/init.go", "package store\n",
         'package store\n\nconst q = `CREATE TABLE IF NOT EXISTS notes (id int)`\n'),
    _one("prisma schema", "migration", "prisma/schema.prisma", "model A {\n id Int @id\n}\n",
         "model A {\n id Int @id\n nick String\n}\n"),
    _one("knex", "migration", "server/steps/20260101.js", None,
         "exports.up = (knex) => knex.schema.table('users', (t) => t.string('nick'));\n"
         "exports.down = () => {};\n"),
    _one("sequelize", "migration", "lib/x.js", None,
         "module.exports = { up: (queryInterface) => queryInterface.addColumn('a', 'b', {}) };\n"),
    _one("typeorm entity", "migration", "src/note.entity.ts",
         "@Entity()\nexport class Note {\n  text: string;\n}\n",
         "@Entity()\nexport class Note {\n  @Column()\n  text: string;\n}\n"),
    _one("laravel", "migration", "database/x/2026_a.php", None,
         "<?php\nSchema::table('users', function ($t) { $t->string('nick'); });\n"),
    _one("ef core", "migration", "Data/Step2.cs", None,
         "public partial class Step2 : Migration {\n  protected override void Up(MigrationBuilder m) {}\n}\n"),
    _one("django model field", "migration", "shop/things.py",
         "class A(models.Model):\n    a = models.CharField(max_length=9)\n",
         "class A(models.Model):\n    a = models.CharField(max_length=99)\n"),
    _one("sqlalchemy column", "migration", "app/tables.py",
         "class A(Base):\n    id = mapped_column(Integer)\n",
         "class A(Base):\n    id = mapped_column(Integer)\n    b = mapped_column(String)\n"),
    _one("gorm tag", "migration", "store/note.go",
         'type Note struct {\n\tID int `gorm:"primaryKey"`\n}\n',
         'type Note struct {\n\tID int64 `gorm:"primaryKey"`\n}\n'),
    _one("ecto", "migration", "priv/repo/x.exs", None,
         "defmodule A do\n  use Ecto.Migration\n  def change, do: alter(table(:a))\nend\n"),
    _one("liquibase", "migration", "src/main/resources/db/changelog/one.yaml", None,
         "databaseChangeLog:\n  - changeSet:\n      id: 1\n"),
    _one("migration removed", "migration", "shop/migrations/0002_note.py", DJANGO, None),
)  # fmt: skip

SECURITY = (
    _one("permission check removed inside a view", "security", "shop/views.py", VIEW, VIEW.replace(
        '    if not request.user.has_perm("shop.close", order):\n        raise PermissionDenied\n', "")),
    _one("early return before a check", "security", "shop/views.py", VIEW, VIEW.replace(
        "    if not request.user", "    order.close()\n    return redirect(\"o\")\n    if not request.user")),
    _one("check turned around", "security", "shop/views.py", VIEW, VIEW.replace("if not req", "if req")),
    _one("check made dead", "security", "app/edit.py",
         "def edit(doc):\n    check_access_control(doc)\n    doc.save()\n",
         "def edit(doc):\n    if False:\n        check_access_control(doc)\n    doc.save()\n"),
    _one("decorator removed", "security", "app/pages.py", "@login_required\ndef page(r):\n    return 1\n",
         "def page(r):\n    return 1\n"),
    _one("rails filter removed", "security", "app/controllers/notes_controller.rb",
         "class NotesController\n  before_action :authenticate_user!\n  def index; end\nend\n",
         "class NotesController\n  def index; end\nend\n"),
    _one("pundit policy", "security", "app/policies/note_policy.rb", "class NotePolicy\n  def show? = x\nend\n",
         "class NotePolicy\n  def show? = true\nend\n"),
    _one("owner check dropped", "security", "app/api.py",
         "def get(note, user):\n    if note.owner_id != user.id:\n        abort(404)\n    return note\n",
         "def get(note, user):\n    return note\n"),
    _one("express guard removed", "security", "server/routes.js",
         "app.get('/all', requireAuth, list);\n", "app.get('/all', list);\n"),
    _one("spring annotation", "security", "src/main/java/a/Notes.java",
         'class Notes {\n  @PreAuthorize("hasRole(\'ADMIN\')")\n  void all() {}\n}\n',
         "class Notes {\n  void all() {}\n}\n"),
    _one("nest guard", "security", "src/notes.controller.ts", "@UseGuards(JwtAuthGuard)\nexport class N {}\n",
         "export class N {}\n"),
    _one("laravel gate", "security", "app/Http/Notes.php", "<?php\n$this->authorize('view', $note);\nshow();\n",
         "<?php\nshow();\n"),
    _one("go middleware", "security", "server/routes.go", 'package server\n\nr.Use(RequireLogin)\nr.Get("/a")\n',
         'package server\n\nr.Get("/a")\n'),
    _one("status 403 dropped", "security", "api/x.py", "def a(r):\n    if r.bad:\n        abort(403)\n    return 1\n",
         "def a(r):\n    return 1\n"),
    _one("role compared", "security", "api/x.ts", "if (user.role === 'admin') go();\n",
         "if (user.role !== 'guest') go();\n"),
    _one("auth module", "security", "src/auth/backend.py", "LIMIT = 3\n", "LIMIT = 4\n"),
    _one("jwt by file name", "security", "lib/JwtReader.kt", "val skew = 3\n", "val skew = 3000\n"),
    _one("session store", "security", "app/session_store.py", "AGE = 60\n", "AGE = 6000\n"),
    _one("password hashing", "security", "app/accounts.py", "rounds = bcrypt.gensalt(12)\n",
         "rounds = bcrypt.gensalt(4)\n"),
    _one("crypto import", "security", "app/boxes.py", "x = 1\n", "from cryptography.fernet import Fernet\nx = 1\n"),
    _one("hmac", "security", "app/hooks.py", "ok = hmac.compare_digest(a, b)\n", "ok = a == b\n"),
    _one("tls verification off", "security", "app/fetch.py", "get(url)\n", "get(url, verify=False)\n"),
    _one("go tls", "security", "client/http.go", "package client\n\nvar c = tls.Config{}\n",
         "package client\n\nvar c = tls.Config{InsecureSkipVerify: true}\n"),
    _one("rust crypto", "security", "src/seal.rs", "use aes_gcm::Aes256Gcm;\nfn a() {}\n", "fn a() {}\n"),
    _one("csrf exempt", "security", "shop/hooks.py", "def hook(r):\n    return 1\n",
         "@csrf_exempt\ndef hook(r):\n    return 1\n"),
    _one("cors", "security", "server/app.js", "res.set('X', '1');\n",
         "res.set('Access-Control-Allow-Origin', '*');\n"),
    _one("cookie flags", "security", "server/app.js", "cookie(n, v, { httpOnly: true });\n",
         "cookie(n, v, {});\n"),
    _one("secret key setting", "security", "app/settings.py", "SECRET_KEY = env('K')\n", "SECRET_KEY = 'a'\n"),
    _one("oauth scope", "security", "config/app.rb", "oauth_scope 'read'\n", "oauth_scope 'write'\n"),
    _one("token life", "security", "app/conf.py", "ACCESS_TOKEN_MINUTES = 5\n", "ACCESS_TOKEN_MINUTES = 500\n"),
    _one("rest framework", "security", "api/views.py", "class V:\n    permission_classes = [IsOwner]\n",
         "class V:\n    permission_classes = [AllowAny]\n"),
    _one("csharp attribute", "security", "Web/Notes.cs", "[Authorize]\npublic class Notes {}\n",
         "[AllowAnonymous]\npublic class Notes {}\n"),
    _one("rego", "security", "rules/a.rego", "allow { input.x }\n", "allow { true }\n"),
    _one("auth in a folder named test of the product", "security", "src/main/java/a/test/AuthFilter.java",
         "class AuthFilter { int a = 1; }\n", "class AuthFilter { int a = 2; }\n"),
    _one("a class called latest", "security", "src/main/java/a/LoginLatest.java",
         "class LoginLatest { int a = 1; }\n", "class LoginLatest { int a = 2; }\n"),
    _one("code behind a false comment", "security", "web/x.js", "const a = 1;\n",
         "const re = /[/*]/; grantPermission(user); /* x */\n"),
    _one("code behind a false string", "security", "web/x.js", "const a = 1;\n",
         'const re = /"/; grantPermission(user); // "\n'),
    _one("code after a docstring", "security", "app/x.py", "x = 1\n", '"""Doc."""; set_password(u)\nx = 1\n'),
    _one("wide letters", "security", "app/x.py", "x = 1\n", "ｐａｓｓｗｏｒｄ = None\nx = 1\n"),
    _one("other case of a folder", "security", "src/AUTH/Backend.py", "L = 1\n", "L = 2\n"),
    _one("auth file deleted", "security", "src/auth/limits.py", "L = 1\n", None),
    _one("webauthn in swift", "security", "Sources/Passkey.swift", "let a = 1\n", "let a = 2\n"),
    _one("impersonation", "security", "app/support.py", "x = 1\n", "def impersonate(u):\n    return u\n"),
    _one("phoenix plug", "security", "lib/router.ex", "plug :require_authenticated\nget \"/\"\n", "get \"/\"\n"),
    _one("graphql directive", "security", "src/schema.graphql", "type A { b: Int @auth }\n", "type A { b: Int }\n"),
    _one("htaccess", "security", "public/.htaccess", "Deny from all\n", "Allow from all\n"),
)  # fmt: skip

MORE = (
    _one("flask guard removed", "security", "app/web.py",
         "@app.before_request\ndef check():\n    if not g.user:\n        return redirect('/')\n", "x = 1\n"),
    _one("express logged in", "security", "srv/routes.js", "router.use(ensureLoggedIn());\n", "router.use();\n"),
    _one("claims compared", "security", "srv/a.go", "package a\n\nif claims.Sub != id {\n}\n", "package a\n"),
    _one("allowed hosts", "security", "site/conf.py", "ALLOWED_HOSTS = ['a']\n", "ALLOWED_HOSTS = ['*']\n"),
    _one("rails token check skipped", "security", "app/controllers/hooks_controller.rb", "class H\nend\n",
         "class H\n  skip_before_action :verify_authenticity_token\nend\n"),
    _one("graphql context", "security", "src/resolvers.ts", "if (!ctx.user) throw new Error('a');\n", "\n"),
    _one("row security", "migration", "supabase/a.txt.in", "a\n", "create policy a on b using (true);\n"),
    _one("iam document", "security", "aws/role.json", '{"Effect": "Deny", "Action": "*"}\n', '{"Effect": "Allow", "Action": "*"}\n'),
    _one("firestore rules", "security", "firestore.rules", "allow read: if false;\n", "allow read: if true;\n"),
    _one("dotenv", "infrastructure", ".env.production", "A=1\n", "A=2\n"),
    _one("production settings", "infrastructure", "src/main/resources/application-prod.yml", "a: 1\n", "a: 2\n"),
    _one("session entry", "security", "app/web.py", "x = 1\n", "session['uid'] = 1\n"),
    _one("php session", "security", "web/a.php", "<?php\n", "<?php $_SESSION['a'] = 1;\n"),
    _one("amount", "payments", "lib/cart.rb", "total\n", "order.amount_cents\n"),
    _one("sequelize model", "migration", "models_/note.js", "a\n", "sequelize.define('n', { t: DataTypes.STRING });\n"),
    _one("mongoose", "migration", "srv/note.js", "a\n", "const s = new mongoose.Schema({ t: String });\n"),
    _one("jpa entity", "migration", "src/main/java/a/Note.java", "@Entity\nclass Note {\n}\n",
         "@Entity\nclass Note {\n  private String nick;\n}\n"),
    _one("diesel schema", "migration", "src/schema.rs", "table! { a }\n", "table! { b }\n"),
    _one("kubectl in a makefile", "infrastructure", "Makefile", "all:\n\techo\n", "all:\n\tkubectl apply -f a\n"),
    _one("setuid", "security", "src/main.c", "int a;\n", "int a; setuid(0);\n"),
    _one("constant time", "security", "a/b.go", "package a\n\nok := subtle.ConstantTimeCompare(x, y)\n", "package a\n\nok := x == y\n"),
    _one("trust manager", "security", "src/main/java/a/Net.java", "class Net { }\n", "class Net { TrustManager t; }\n"),
)  # fmt: skip

MONEY_AND_PEOPLE = (
    _one("stripe", "payments", "app/shop.py", "x = 1\n", "import stripe\nx = 1\n"),
    _one("billing folder", "payments", "src/billing/rules.ts", "export const a = 1;\n", "export const a = 2;\n"),
    _one("refund", "payments", "lib/orders.rb", "order.close\n", "order.refund!\n"),
    _one("iban check", "payments", "src/main/java/a/Check.java", "class A { boolean ok(String iban) { return f(iban); } }\n",
         "class A { boolean ok(String iban) { return true; } }\n"),
    _one("invoice total", "payments", "pkg/docs_out/InvoiceTotal.cs", "class I { int a = 1; }\n", "class I { int a = 2; }\n"),
    _one("card number", "payments", "web/form.tsx", "<Input name='a' />\n", "<Input name='cardNumber' />\n"),
    _one("payout", "payments", "srv/jobs.go", "package srv\n", "package srv\n\nfunc RunPayouts() {}\n"),
    _one("paypal hook", "payments", "hooks/paypal.php", "<?php $a = 1;\n", "<?php $a = 2;\n"),
    _one("ssn", "privacy", "app/forms.py", "x = 1\n", "ssn = Field()\nx = 1\n"),
    _one("gdpr export", "privacy", "app/gdpr/export.py", "A = 1\n", "A = 2\n"),
    _one("date of birth", "privacy", "src/Person.java", "class P { int a; }\n", "class P { Date dateOfBirth; }\n"),
    _one("patients", "privacy", "api/patients.js", "const a = 1;\n", "const a = 2;\n"),
    _one("anonymise", "privacy", "jobs/tidy.py", "anonymise(row)\n", "pass\n"),
    _one("consent", "privacy", "web/banner.ts", "if (consent.given) track();\n", "track();\n"),
    _one("tax id", "privacy", "core/m.kt", "val a = 1\n", "val taxId = 1\n"),
)  # fmt: skip

INFRASTRUCTURE = (
    _one("terraform", "infrastructure", "main.tf", 'a = "1"\n', 'a = "2"\n'),
    _one("dockerfile", "infrastructure", "Dockerfile", "FROM a:1\n", "FROM a:2\n"),
    _one("dockerfile of another name", "infrastructure", "images/api.build", "FROM a\nRUN b\n", "FROM a\nRUN c\n"),
    _one("compose", "infrastructure", "docker-compose.prod.yml", "a: 1\n", "a: 2\n"),
    _one("helm values", "infrastructure", "charts/api/values.yaml", "replicas: 1\n", "replicas: 2\n"),
    _one("k8s in a generic name", "infrastructure", "conf/api.yml", K8S, K8S.replace("2", "3")),
    _one("kustomize", "infrastructure", "base/kustomization.yaml", "a: 1\n", "a: 2\n"),
    _one("cloudformation in a generic name", "infrastructure", "stack.yml",
         "AWSTemplateFormatVersion: '2010-09-09'\na: 1\n", "AWSTemplateFormatVersion: '2010-09-09'\na: 2\n"),
    _one("ansible in a generic name", "infrastructure", "site.yml", "- hosts: all\n  tasks:\n    - a: 1\n",
         "- hosts: all\n  tasks:\n    - a: 2\n"),
    _one("nginx", "infrastructure", "conf/nginx.conf", "listen 80;\n", "listen 81;\n"),
    _one("procfile", "infrastructure", "Procfile", "web: a\n", "web: b\n"),
    _one("deploy script", "infrastructure", "scripts/deploy.sh", "echo a\n", "echo b\n"),
    _one("systemd", "infrastructure", "etc/api.service", "[Service]\nExecStart=/a\n", "[Service]\nExecStart=/b\n"),
    _one("bicep", "infrastructure", "main.bicep", "param a string\n", "param b string\n"),
    _one("whitespace of a dockerfile", "infrastructure", "Dockerfile", "FROM a\n", "FROM a  \n"),
)  # fmt: skip

CI = (
    _one("github workflow", "ci", ".github/workflows/ci.yml", "on: push\n", "on: pull_request_target\n"),
    _one("document below .github", "ci", ".github/copilot-instructions.md", "a\n", "b\n"),
    _one("gitlab", "ci", ".gitlab-ci.yml", "a: 1\n", "a: 2\n"),
    _one("jenkins", "ci", "build/Jenkinsfile", "a\n", "b\n"),
    _one("agent instructions", "ci", "pkg/AGENTS.md", "a\n", "b\n"),
    _one("our policy", "ci", ".codex-runner.toml", 'test = "a"\n', 'test = "b"\n'),
    _one("codeowners", "ci", "docs/CODEOWNERS", "* @a\n", "* @b\n"),
    _one("pre-commit", "ci", ".pre-commit-config.yaml", "repos: []\n", "repos: [a]\n"),
    _one("ci scripts", "ci", "ci/test.sh", "make\n", "true\n"),
    _one("circle", "ci", ".circleci/config.yml", "version: 2\n", "version: 2.1\n"),
    _one("pipeline in a generic name", "ci", "build/all.yml", "stages:\n  - a\njob:\n  script: b\n",
         "stages:\n  - a\njob:\n  script: c\n"),
    _one("other case", "ci", ".GitHub/workflows/a.yml", None, "on: push\n"),
    _one("mergify", "ci", ".mergify.yml", "a: 1\n", "a: 2\n"),
)  # fmt: skip

DEPENDENCIES = (
    _one("npm major", "dependencies", "package.json", PACKAGE, PACKAGE.replace("^17.0.2", "^18.0.0")),
    _one("python upper bound", "dependencies", "pyproject.toml", PYPROJECT, PYPROJECT.replace("<0.28", "<0.29")),
    _one("requirements major", "dependencies", "requirements.txt", "django==4.2.1\n", "django==5.0\n"),
    _one("requirements of the docs", "dependencies", "docs/requirements.txt", "sphinx==6.0\n", "sphinx==8.0\n"),
    _one("cargo lock 0.x", "dependencies", "Cargo.lock", CARGO_LOCK, CARGO_LOCK.replace("0.8.5", "0.9.0")),
    _one("go module", "dependencies", "go.mod", "module a\n\nrequire github.com/a/b v1.2.0\n",
         "module a\n\nrequire github.com/a/b v2.0.0+incompatible\n"),
    _one("gemfile", "dependencies", "Gemfile", 'source "https://rubygems.org"\ngem "rails", "~> 7.0"\n',
         'source "https://rubygems.org"\ngem "rails", "~> 8.0"\n'),
    _one("composer", "dependencies", "composer.json", '{"require": {"a/b": "^1.0"}}\n', '{"require": {"a/b": "^2.0"}}\n'),
    _one("gradle, unread", "dependencies", "build.gradle", 'implementation "a:b:1.0"\n', 'implementation "a:b:2.0"\n'),
    _one("any version", "dependencies", "package.json", PACKAGE, PACKAGE.replace("^17.0.2", "*")),
    _one("broken manifest", "dependencies", "package.json", PACKAGE, "{"),
    _one("maven", "dependencies", "pom.xml",
         "<project><dependencies><dependency><groupId>a</groupId><artifactId>b</artifactId>"
         "<version>1.2</version></dependency></dependencies></project>\n",
         "<project><dependencies><dependency><groupId>a</groupId><artifactId>b</artifactId>"
         "<version>2.0</version></dependency></dependencies></project>\n"),
)  # fmt: skip

WIDER = (
    Labelled("docs, and a workflow", "ci", {"README.md": ("a\n", "b\n"), ".github/workflows/a.yml": (None, "on: push\n")}),
    Labelled("tests, and a migration", "migration", {"tests/test_a.py": ("a = 1\n", "a = 2\n"),
             "shop/migrations/0003.py": (None, DJANGO)}),
    Labelled("formatting, and a password", "security", {"a.py": ("x=1\n", "x = 1\n"), "b.py": ("y = 1\n", "password = 1\n")}),
)  # fmt: skip

HARMLESS = (
    _one("readme", "docs", "README.md", "a\n", "b\n"),
    _one("docs about payments", "docs", "docs/payments.md", "Pay by card.\n", "Pay by IBAN or Stripe.\n"),
    _one("docs with a migration in them", "docs", "docs/guide/database.rst", "a\n", "ALTER TABLE a ADD COLUMN b int;\n"),
    _one("docs about deployment", "docs", "docs/deploy/terraform.md", "a\n", "b\n"),
    _one("security guide", "docs", "docs/authentication.adoc", "a\n", "Passwords are hashed.\n"),
    _one("changelog", "docs", "CHANGELOG.md", "# 1\n", "# 2\n- password reset mended\n"),
    _one("picture of docs", "docs", "docs/login.svg", "<svg/>\n", "<svg></svg>\n"),
    _one("contributing", "docs", "CONTRIBUTING", "a\n", "b\n"),
    _one("tests of auth", "tests", "tests/test_auth.py", "a = 1\n", "assert login('a', password='b')\n"),
    _one("go tests of auth", "tests", "auth/auth_test.go", "package auth\n", "package auth\n\nfunc TestLogin() {}\n"),
    _one("js spec of billing", "tests", "src/billing/total.spec.ts", "it('a');\n", "it('b');\n"),
    _one("rails spec", "tests", "spec/models/payment_spec.rb", "a\n", "b\n"),
    _one("java tests", "tests", "src/test/java/a/LoginTest.java", "class LoginTest {}\n", "class LoginTest { int a; }\n"),
    _one("cypress", "tests", "e2e/checkout.cy.js", "a();\n", "b();\n"),
    _one("test data", "tests", "tests/data/users.sql", "insert 1;\n", "insert 2;\n"),
    _one("python formatting", "formatting", "app/x.py", "def f(a,b):\n  return a+b\n", "def f(a, b):\n    return a + b\n"),
    _one("python formatting of auth", "formatting", "src/auth/backend.py", "x=1\n", "x = 1\n"),
    _one("comment about passwords", "formatting", "app/x.py", "x = 1\n", "x = 1  # no password here (see docs)\n"),
    _one("trailing blanks", "formatting", "web/a.css", "a { }  \n", "a { }\n"),
    _one("json formatting", "formatting", "data/a.json", '{"a":1}\n', '{\n "a": 1\n}\n'),
    _one("blank lines", "formatting", "lib/a.rb", "a\n\n\nb\n", "a\nb\n"),
    _one("comment about passwords in js", "code", "web/a.js", "go();\n", "// the password is checked elsewhere\ngo();\n"),
    _one("comment about permissions in go", "code", "a.go", "package a\n", "package a\n\n// needs no permission at all\nvar A = 1\n"),
    _one("docstring about logins", "code", "app/x.py", "def f():\n    return 1\n",
         'def f():\n    """What a login shows (not the password)."""\n    return 1\n'),
    _one("message about a password", "code", "web/labels.py", 'A = "a b"\n', 'A = "Forgot your password?"\n'),
    _one("block comment in java", "code", "src/main/java/a/B.java", "class B { }\n", "/* The login page\n   uses this. */\nclass B { int a; }\n"),
    _one("author is not auth", "code", "app/authors.py", "author = 1\n", "author = 2\n"),
    _one("authority of a url", "code", "app/urls.py", "a = 1\n", "authority_part = split(netloc)\n"),
    _one("tokenizer", "code", "lex/tokenizer.py", "tokens = []\n", "tokens = [next_token()]\n"),
    _one("session of http", "code", "app/fetch.py", "s = requests.get(u)\n", "s = requests.Session()\n"),
    _one("card of a page", "code", "web/Card.tsx", "<Card a />\n", "<Card b />\n"),
    _one("transaction", "code", "store/tx.go", "package store\n", "package store\n\nfunc Transaction() {}\n"),
    _one("user agent", "code", "app/log.py", "a = 1\n", "a = request.user_agent\n"),
    _one("permutation", "code", "math/perm.py", "perms = 1\n", "perms = permutations(a)\n"),
    _one("rounding", "code", "src/stats.py", "return int(x)\n", "return round(x)\n"),
    _one("react component", "code", "src/List.jsx", "<ul role='list' />\n", "<ul role='menu' />\n"),
    _one("rust loop", "code", "src/lib.rs", "fn a() -> i32 { 1 }\n", "fn a() -> i32 { 2 }\n"),
    _one("select", "code", "app/db.py", 'q = "SELECT a FROM b"\n', 'q = "SELECT a, c FROM b WHERE d = %s"\n'),
    _one("update statement", "code", "app/db.py", 'q = "UPDATE a SET b = 1"\n', 'q = "UPDATE a SET b = 2"\n'),
    _one("column of a table on screen", "code", "web/Grid.vue", "<Grid a />\n", "<Grid><GridCol b /></Grid>\n"),
    _one("kind without apiVersion", "code", "conf/shapes.yml", "kind: a\n", "kind: b\n"),
    _one("css", "code", "web/a.scss", "a { b: c; }\n", "a { b: d; }\n"),
    _one("npm patch", "code", "package.json", PACKAGE, PACKAGE.replace("1.3.0", "1.4.0")),
    _one("cargo patch", "code", "Cargo.lock", CARGO_LOCK, CARGO_LOCK.replace("1.0.200", "1.0.210")),
    _one("tool setting", "code", "pyproject.toml", PYPROJECT, PYPROJECT + "[tool.black]\nline-length = 99\n"),
    _one("requirements patch", "code", "requirements.txt", "django==4.2.1\n", "django==4.2.9\n"),
    _one("c buffer", "code", "src/buf.c", "int a = 1;\n", "int a = 2;\n"),
    _one("kotlin view", "code", "ui/Row.kt", "val a = 1\n", "val a = 2\n"),
    _one("elixir", "code", "lib/stats.ex", "def a, do: 1\n", "def a, do: 2\n"),
    _one("charting", "code", "src/chart/axis.ts", "export const a = 1;\n", "export const a = 2;\n"),
    _one("environment helper", "code", "app/env.py", "a = 1\n", "a = os.environ.get('HOME')\n"),
    _one("contest is no test", "code", "src/contest.py", "a = 1\n", "a = 2\n"),
    # hard: these are flagged, and precision says so
    _one("digest of a cache key", "code", "app/cache.py", "k = hash(a)\n", "k = hashlib.md5(a).hexdigest()\n"),
    _one("link to the login page", "code", "web/nav.html", "<a href='/a'>A</a>\n", "<a href='/login'>Log in</a>\n"),
    _one("erasure coding", "code", "store/parity.go", "package store\n", "package store\n\nvar erasure = 3\n"),
)  # fmt: skip

PROTECTED = (
    *MIGRATIONS,
    *SECURITY,
    *MORE,
    *MONEY_AND_PEOPLE,
    *INFRASTRUCTURE,
    *CI,
    *DEPENDENCIES,
    *WIDER,
)
DIFFS = (*PROTECTED, *HARMLESS)


def built(diff: Labelled) -> Case:
    """As a gate gets it."""
    old = {path: side.encode() for path, (side, _) in diff.files.items() if side is not None}
    new = {path: side.encode() for path, (_, side) in diff.files.items() if side is not None}
    return CaseBuilder(old, new).case()


def judged(diff: Labelled) -> set[ClassName]:
    """The classes it is found to be of."""
    return {each.name for each in sightings(built(diff))}

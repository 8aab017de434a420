#!/usr/bin/env perl
# varve store check: a store that is what it should be is said to be so, and nothing stays behind there; each way in
# which one isn't is one line with what to do, and an exit code.
use strict;
use warnings;
use File::Find;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Tool;
use Varved;

plan skip_all => 'it is about varve' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $build = $ENV{builddir} // '.';
my $tool = "$build/server/tool/varve";
my $dir = tempdir(CLEANUP => 1);
sub check { return varve('store check', @_) }

sub files_of {
    my ($where) = @_;
    my @files;
    find({ no_chdir => 1, wanted => sub { push @files, $_ if $_ ne $where && !m{/~tmp$} } }, $where);
    return @files;
}

# ---- a directory

my $cold = tempdir(CLEANUP => 1);
my $store = "-o tier.store.url=file://$cold";
is(check($store, '--load 20 --rounds 8'), 0, 'a directory is a store') or diag $out, $err;
is(scalar(() = $out =~ /^ok      \S/mg), 15, '... in every way') or diag $out;
like($out, qr/^directory \Q$cold\E\n/, '... which is named');
like($out, qr/^varve can use this store\n\z/m, '... and judged');
like($out, qr/^ok      throughput  20 MiB: written at \d+\.\d MiB\/s in parts, read at /m, '... with figures');
is(join(' ', files_of($cold)), '', 'nothing stays behind there');
is(check($store, '--json --load 0 --rounds 3'), 0, 'the same for programs');
my @told = map { decode_json($_) } split /\n/, $out;
my ($race) = grep { $_->{kind} eq 'check' && $_->{name} eq 'race' } @told;
is($race->{result}, 'ok', '... line by line');
is($race->{rounds}, 3, '... with figures');
is($told[-1]{kind}, 'store', '... and all together');
is($told[-1]{ok}, 13, '... without those that were not wanted');

# ---- interrupted

my $pid = fork // die "fork: $!";
if ($pid == 0) {
    open(STDOUT, '>', "$dir/interrupted");
    exec(split(/ /, "$tool store check $store --rounds 3000 --writers 64")) or die "exec: $!";
}
ok(wait_until(sub { grep { m{/race/} } files_of($cold) }), 'a race has begun');
kill INT => $pid;
waitpid $pid, 0;
is($? & 127, 2, 'Ctrl-C ends it');
like(text_of("$dir/interrupted"), qr/^ok      clean-up .*\ninterrupted\n/m, '... but first it cleans up');
is(join(' ', files_of($cold)), '', '... all of it');

# ---- wrong usage

is(check(), 64, 'without a store');
like($err, qr/no store is named/, '... it is asked for');
is(varve('store'), 64, 'without a subcommand');
is(varve('store list'), 64, 'another one than there is');
is(check($store, '--writers 1'), 64, 'a race of one');
like($err, qr/--writers wants 2 to 64/, '... is none');
is(check("-o tier.store.url=file://$dir/none"), 66, 'a directory that is not there');
ok(!-e "$dir/none", '... is not made');

# ---- S3 on bad days

my $http = HTTP::Tiny->new(timeout => 30, proxy => undef, http_proxy => undef);
my @servers;
sub s3d {
    my (@options) = @_;
    my $s3d = open(my $said, '-|', "$build/t/s3d", '-b', 'cold', '-k', 'id:secret', @options) or die "s3d: $!";
    my ($port) = <$said> =~ /^port (\d+)$/ or die 's3d does not start';
    push @servers, [ $s3d, $said ];
    return $port;
}
my $port = s3d();
sub order {
    my ($where, @commands) = @_;
    my $r = $http->post("http://127.0.0.1:$where/~faults", { content => join '', map { "$_\n" } @commands });
    is($r->{status}, 200, join('; ', 'S3 is told', @commands));
}
sub stats { return $http->get("http://127.0.0.1:$_[0]/~stats")->{content} }

sub write_keys {
    my ($secret) = @_;
    open(my $f, '>', "$dir/keys") or die "keys: $!";
    print $f "[default]\naws_access_key_id = id\naws_secret_access_key = $secret\n";
    close $f;
}
write_keys('secret');
sub s3 {
    my ($where, @words) = @_;
    return check("-o tier.store.url=s3://cold/x -o tier.s3.endpoint=http://127.0.0.1:$where",
        "-o tier.s3.credentials=file:$dir/keys --load 0 --rounds 4 --timeout 30", @words);
}

is(s3($port), 0, 'an S3 that is well') or diag $out, $err;
like(stats($port), qr/^objects 0\n/m, '... with nothing left there');

# What it says of an S3 that is told to fail so.
sub bad_day {
    my ($what, $code, $words, @commands) = @_;
    order($port, @commands);
    is(s3($port), $code, "$what: the exit code") or diag $out, $err;
    like($out, $words, '... and the sentence');
    order($port, 'heal');
}
bad_day('keys that may not delete', 77, qr/^FAILED  deletes +an object can't be deleted: .*grant s3:DeleteObject on s3:/m,
    'fault DELETES DENIED 100', 'fault DELETE DENIED 100');
like($out, qr/^FAILED  clean-up +what was written below check\S+ may still be there, delete it yourself/m,
    '... with what is left');
bad_day('a clock that is wrong', 77, qr/^FAILED  answers .*: the clock here says .*: set the wrong one right/m,
    'fault ANY SKEWED 100');
bad_day('another region', 64, qr/^FAILED  answers .*: it is in region \S+: set tier\.s3\.region to that/m, 'fault ANY REGION 100');
bad_day('a store that is full', 73, qr/^FAILED  writes +an object can't be written: /m, 'fault PUT FULL 100',
    'fault PUTNEW FULL 100');
bad_day('keys that have expired', 77, qr/^FAILED  answers .*have expired/m, 'fault ANY EXPIRED 100');
order($port, 'fault LIST HANG 100');
is(s3($port, '--timeout 1'), 75, 'a store that hangs: the exit code') or diag $out, $err;
like($out, qr/^FAILED  answers /m, '... and the sentence');
order($port, 'heal');
bad_day('bits that flip on the way', 65, qr/^FAILED  reads +of 1024 bytes .*something between here and the store/m,
    'fault GET FLIP 100');
bad_day('lists that are late', 0, qr/^note    lists +of 25 names .* were listed at once/m, 'fault LIST UNSEEN 100');
bad_day('a store that is slow to let in', 0, qr/^varve can use this store/m, 'fault ANY SLOW_DOWN 10');
like(stats($port), qr/^objects 2$/m, 'nothing but what could not be deleted is left');

# ---- how far it is

order($port, 'next PART ERROR 8'); # of two parts one is told so four times
SKIP: {
    my ($shown, $code) = run(undef, "$build/t/onpty", $tool, split / /, 'store check --load 0 --rounds 2'
        . " -o tier.store.url=s3://cold/x -o tier.s3.endpoint=http://127.0.0.1:$port -o tier.s3.credentials=file:$dir/keys");
    skip 'there is no terminal to be had', 2 if $code == 77;
    is($code, 0, 'a store that errs for a while') or diag($shown);
    like($shown, qr/parts\r\[#+\.+\] +\d+ %  \d+\.0 MiB of 18\.0 MiB, .*\r\e\[K\S*ok +\S*parts /, '... while a terminal shows how far it is')
        or diag($shown);
}

write_keys('wrong');
is(s3($port), 77, 'wrong keys');
like($out, qr/^FAILED  answers .*: the secret key isn't that of the access key.*: correct what tier\.s3\.credentials names/m,
    '... are told');
write_keys('secret');
is(s3($port, '-o tier.store.url=s3://none/x'), 64, 'a bucket that is not there');
like($out, qr/^FAILED  answers .*: there is no bucket none: create it, or correct tier\.store\.url/m, '... is told');
is(s3(1), 68, 'nobody there');
like($out, qr/^FAILED  answers .*127\.0\.0\.1:1: connection refused/mi, '... is told');
is($err, '', '... once');

is(s3(s3d('-a', -1200)), 0, 'a store whose clock is wrong can be used') or diag $out, $err;
like($out, qr/^note    clock +the store's clock is (?:1199|120\d) s behind: set the wrong one right/m, '... but that is told');

my $replacing = s3d('-r');
is(s3($replacing), 65, 'an S3 that ignores If-None-Match');
like($out, qr/^FAILED  if absent +an object was replaced .*varve can't use it: a server/m, '... is told plainly');
like($out, qr/^FAILED  race +of 16 writers .* up to 16 were told that they won, in 4 of 4 rounds .*records would be lost$/m,
    '... with what it means');
like($out, qr/^varve can't rely on this store: see above$/m, '... in the end');
like(stats($replacing), qr/^objects 0\n/m, '... and nothing stays behind');

kill TERM => map { $_->[0] } @servers;
done_testing;

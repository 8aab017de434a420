#!/usr/bin/env perl
# The cold tier from the outside: records of a topic that asks for it leave the server's disk and are read
# from the store as before, whatever happens to the server between.
use strict;
use warnings;
use File::Find;
use File::Temp qw(tempdir);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;

my $cold = tempdir(CLEANUP => 1);
my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'checkpoint.interval.ms=200');
plan skip_all => 'varved has a tier of its own' unless $broker->is_varved;
my $varve = ($ENV{builddir} // '.') . '/server/tool/varve';
my $dir = tempdir(CLEANUP => 1);

sub varve {
    my ($command, @args) = @_;
    return 1 if system("$varve $command -b " . $broker->address . " @args 2>$dir/err") == 0;
    diag(text_of("$dir/err"));
    return 0;
}

sub bytes_of {
    my ($where) = @_;
    my $bytes = 0;
    find({ no_chdir => 1, wanted => sub { $bytes += -s if -f } }, $where) if -d $where;
    return $bytes;
}
sub local_bytes { return bytes_of($broker->dir . '/data/log') }

# So many records: their number, and something that doesn't pack.
my $sent = 0;
sub produce {
    my ($topic, $n) = @_;
    open(my $f, '>', "$dir/in") or die "in: $!";
    print $f $sent + $_, ' ', map({ chr(33 + rand 90) } 1 .. 100), "\n" for 1 .. $n;
    close $f;
    $sent += $n;
    return varve('produce', $topic, "<$dir/in >/dev/null");
}

# How many records come, in order from 1 on.
sub consume {
    my ($topic) = @_;
    varve('consume', $topic, ">$dir/out") or return -1;
    my $n = 0;
    for my $line (split /\n/, text_of("$dir/out")) {
        return -2 unless $line =~ /^(\d+) / && $1 == ++$n;
    }
    return $n;
}

ok(varve('topic create', 'cold', '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
    '-c segment.bytes=1100000 >/dev/null'), 'a topic that asks for the cold tier');
ok(produce('cold', 60_000), 'records');
ok(wait_until(sub { local_bytes() < 1_500_000 }), 'they leave this disk');
cmp_ok(bytes_of($cold), '>', 4_500_000, '... for the store');
is(consume('cold'), 60_000, 'and are read from there');

$broker->crash;
$broker->restart;
is(consume('cold'), 60_000, '... after a crash');
ok(produce('cold', 15_000), 'more records');
$broker->stop;
$broker->restart;
is(consume('cold'), 75_000, '... and a stop');
ok(wait_until(sub { local_bytes() < 1_500_000 }), 'it goes on');
is(consume('cold'), 75_000, '... with all records there');

ok(varve('topic create', 'hot', '-c segment.bytes=1100000 >/dev/null'), 'a topic that does not ask');
$sent = 0;
ok(produce('hot', 30_000), 'has records');
is(consume('hot'), 30_000, '... which are read');
cmp_ok(local_bytes(), '>', 2_500_000, '... from this disk');
done_testing;

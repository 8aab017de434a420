#!/usr/bin/env perl
# Names of segments that begin with a hash, for stores that split their work by that: switched on and off, whatever
# reads, lists, cleans up or restores finds those of both kinds, and needs no setting for it.
use strict;
use warnings;
use File::Find;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Tool;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

use constant ROUND => 2000;

my $build = $ENV{builddir} // '.';
my $dir = tempdir(CLEANUP => 1);

sub ok_varve { return varve(@_) == 0 || diag($out . $err) && 0 }
sub told {
    my ($kind, @words) = @_;
    ok_varve(@words, '--json');
    return grep { $_->{kind} eq $kind } map { decode_json($_) } split /\n/, $out;
}
# So many records more, all of them in the store alone.
sub send_away {
    my ($broker, $from) = @_;
    my $at = '-b ' . $broker->address;
    write_lines("$dir/in", 100, [ $from + 1 .. $from + ROUND ], sub { "$_[0]\t" });
    return ok_varve("produce $at -k '\\t' t <$dir/in") && ok_varve("tier offload $at t") &&
        wait_until(sub { !grep { $_->{both_bytes} > 0 } told('partition', "tier status $at t") });
}
# How many different ones a reader gets.
sub got {
    my ($broker) = @_;
    my %n;
    ok_varve('consume -b', $broker->address, q{t --format '%k\n'});
    $n{$_}++ for split /\n/, $out;
    return join ' ', scalar keys %n, scalar grep { $_ != 1 } values %n;
}

sub tests {
    my ($name, $objects, @store) = @_;
    my $offline = join ' ', map { "-o '$_'" } @store;
    my @options = ('remote.log.storage.system.enable=true', 'tier.delete.grace.ms=0', @store);
    my $broker = Varved->start('checkpoint.interval.ms=200', 'tier.hashed.names=true', @options);
    my $data = $broker->dir . '/data';

    ok(ok_varve('topic create -b', $broker->address,
        't --partitions 3 -c remote.storage.enable=true -c local.retention.ms=0'), "$name: a topic");
    ok(send_away($broker, 0), '... is in the store');
    is(got($broker), ROUND . ' 0', '... and is read from there');
    $broker->stop;
    my %begins = map { $_->{key} =~ m{^(d/[0-9a-f]{2}/)} ? ($1 => 1) : () }
        map { told('segment', "tier ls $offline t/$_") } 0 .. 2;
    is(scalar keys %begins, 3, '... each partition has a place of its own');

    $broker->{options} = [ 'checkpoint.interval.ms=200', @options ];
    $broker->restart;
    ok(send_away($broker, ROUND), 'without the setting names are as they were before');
    is(got($broker), 2 * ROUND . ' 0', '... and all is read');
    $broker->stop;
    my @kinds = map { [ map { $_->{key} =~ m{^d/[0-9a-f]{2}/} ? 'hashed' : 'plain' } told('segment', "tier ls $offline t/$_") ] } 0 .. 2;
    my $segments = map { @$_ } @kinds;
    ok(!(grep { $_->[0] ne 'hashed' || $_->[-1] ne 'plain' } @kinds), '... a partition has both kinds');
    ok(ok_varve("scrub --full $offline"), 'a scrub reads all');
    like($out, qr/[^\d]$segments objects, .*all is well$/m, '... of both');

    remove_tree($data);
    ok(ok_varve("restore $offline -o log.dirs=$data"), 'a server that has lost its disk is made anew');
    $broker->restart;
    is(got($broker), 2 * ROUND . ' 0', '... with all of it');
    my $before = $objects->();
    ok(ok_varve('topic rm --yes -b', $broker->address, 't'), 'the topic is deleted');
    ok(wait_until(sub { $objects->() <= $before - $segments }), '... and its segments go, of both kinds');
    $broker->stop;
    return;
}

my $cold = tempdir(CLEANUP => 1);
tests('a directory', sub {
    my $n = 0;
    find({ no_chdir => 1, wanted => sub { $n++ if -f } }, $cold);
    return $n;
}, "tier.store.url=file://$cold");

open(my $keys, '>', "$dir/keys") or die "keys: $!";
print $keys "[default]\naws_access_key_id = id\naws_secret_access_key = secret\n";
close $keys;
my $http = HTTP::Tiny->new(timeout => 30, proxy => undef, http_proxy => undef);
my $s3d = open(my $said, '-|', "$build/t/s3d", '-b', 'cold', '-k', 'id:secret') or die "s3d: $!";
my ($port) = <$said> =~ /^port (\d+)$/ or die 's3d does not start';
tests('S3', sub {
    my ($n) = $http->get("http://127.0.0.1:$port/~stats")->{content} =~ /^objects (\d+)/m;
    return $n;
}, 'tier.store.url=s3://cold/here', "tier.s3.endpoint=http://127.0.0.1:$port",
    "tier.s3.credentials=file:$dir/keys");
kill TERM => $s3d;
done_testing();

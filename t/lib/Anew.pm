package Anew;
# A server loses its disk and is made anew from its store: the tests of varve restore, for any store.
#
#   Anew::tests(name => 'cold store', options => ['tier.store.url=...'], elsewhere => 'tier.store.url=...');
#
# elsewhere: the same store, but for a place in it that nobody has used.  age: a sub that makes its markers a day old, where one can.
use strict;
use warnings;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use ColdTier;
use Records;
use Tool;
use Varved;

my $dir = tempdir(CLEANUP => 1);
sub told {
    my ($kind) = @_;
    return grep { $_->{kind} eq $kind } map { decode_json($_) } split /\n/, $out;
}

# All records of a topic: partition, offset, time, key and value, in order.
sub records {
    my ($broker, $topic) = @_;
    varve('consume -b', $broker->address, $topic, q{--format '%p %o %T %k=%s\n'}) == 0 or return "failed: $err";
    return join "\n", sort { my @a = split ' ', $a; my @b = split ' ', $b; $a[0] <=> $b[0] || $a[1] <=> $b[1] }
        split /\n/, $out;
}

# What a client sees of a server, but for records.
sub face {
    my ($broker, @topics) = @_;
    my @seen;
    push @seen, varve('config ls -b', $broker->address, 'topic', $_), $out for @topics;
    push @seen, varve('config get -b', $broker->address, 'broker 1 max.connections'), $out;
    push @seen, varve('topic ls -b', $broker->address), join ' ', $out =~ /^(\S+)/mg;
    my ($cluster) = $broker->said('err') =~ /.*server\.start.* cluster=(\S+)/s;
    return join "\n", @seen, $cluster // 'unknown';
}

sub committed {
    my ($broker, $group) = @_;
    varve('group describe --json -b', $broker->address, $group) == 0 or return "failed: $err";
    return join ' ', sort map { "$_->{topic}:$_->{partition}=$_->{committed}" }
        grep { $_->{kind} eq 'group_offset' && defined $_->{committed} }
        map { decode_json($_) } split /\n/, $out;
}

sub produce {
    my ($broker, $topic, $from, $to) = @_;
    write_lines("$dir/in", 100, [ $from .. $to ], sub { "k$_[0]\t$_[0] " });
    return varve(q{produce -k '\t' -b}, $broker->address, $topic, "<$dir/in") == 0;
}

my (@options, $lost);

sub restore {
    my (@words) = @_;
    return varve('restore', map({ "-o '$_'" } @options), @words);
}

# A server with records in the store, groups and settings; its directory when it is lost.
sub lose {
    my ($was) = @_;
    my $broker = Varved->start(@options, 'checkpoint.interval.ms=200', 'offsets.topic.num.partitions=4',
        'group.initial.rebalance.delay.ms=0');
    my @at = ('-b', $broker->address);
    my $cold = '-c segment.bytes=1100000 -c remote.storage.enable=true';

    is(varve('topic create', @at, 'cold --partitions 3', $cold, '-c local.retention.ms=0 -c retention.ms=987654321'),
        0, 'a topic whose records leave the disk') or diag $err;
    is(varve('topic create', @at, 'late --partitions 2', $cold), 0, 'one of which nothing will have left it');
    is(varve('topic create', @at, 'hot --partitions 2'), 0, 'and one that does not ask for that');
    is(varve('config set', @at, 'broker 1 max.connections=7777'), 0, 'a setting of the broker');
    ok(produce($broker, 'cold', 1, 40_000), 'records');
    is(varve('consume', @at, 'cold -g readers -n 9000'), 0, 'a group has read some of them');
    is(varve('consume', @at, 'cold -g ahead'), 0, '... and another one all');
    is(varve('tier offload', @at, 'cold'), 0, 'they are in the store') or diag $err;
    $was->{records} = records($broker, 'cold');
    $was->{face} = face($broker, 'cold', 'late', 'hot');
    $was->{readers} = committed($broker, 'readers');
    $was->{ends} = committed($broker, 'ahead');
    ok(produce($broker, 'cold', 40_001, 40_400), 'a few more are not');
    is(varve('consume', @at, 'cold -g ahead'), 0, '... which have been read, too');
    $was->{ahead} = committed($broker, 'ahead');
    isnt($was->{ahead}, $was->{ends}, '... and committed');
    ok(produce($broker, 'hot', 1, 500) && produce($broker, 'late', 1, 500), 'and those of other topics');
    is(varve('consume', @at, 'hot -g elsewhere'), 0, 'which a group has read');
    return $broker;
}

# A marker that knows all of it.
sub wait_for_marker {
    my ($n) = @_;
    return wait_until(sub {
        return 0 if restore('--dry-run --json --take-over') != 0;
        my ($server) = told('server');
        return ($server->{committed_beyond} // 0) >= $n;
    });
}

sub tests {
    my (%what) = @_;
    my %was;

    @options = ('remote.log.storage.system.enable=true', 'tier.marker.interval.ms=200', @{ $what{options} });
    my $broker = lose(\%was);
    my $data = $broker->dir . '/data';
    push @options, "log.dirs=$data";

    is(restore('-o', $what{elsewhere}), 66, "$what{name}: a place where no server was");
    like($err, qr/^varve: .*the store has no marker: no server of varve's has used it\n/, '... is told so');
    ok(wait_for_marker(4), 'a marker knows what there is') or diag $out, $err;
    is(restore('-o tier.marker.interval.ms=60000'), 69, 'while the server lives, none is made anew');
    like($err, qr/wrote to this store \d+ s ago, and did not stop.*--take-over if it is gone for good\n/,
        '... with what to do');

    $broker->crash;
    rename $data, "$data.old" or die "$data: $!";
    is(restore('--dry-run'), 69, 'one that died a moment ago may still live');
    is(restore('--dry-run --take-over'), 0, '... unless somebody says that it does not') or diag $err;
    if (my $age = $what{age}) {
        $age->();
        is(restore('--dry-run'), 0, 'one whose markers are old is gone') or diag $err;
    }
    like($out, qr/^cluster \S+ as of .* ago\n/, 'what could be made anew is told');
    like($out, qr/^cold +3 +\d+ /m, '... topic by topic');
    like($out, qr/^hot +2 +0 .*empty: it was not in the cold tier$/m, '... with what is lost');
    like($out, qr/^nothing was changed$/m, '... and nothing happens');
    ok(!-e $data, '... at all');

    is(restore('--take-over'), 0, 'the server is made anew') or diag $err;
    like($out, qr/^\Q$data\E is whole; /m, '... in an empty directory');
    cmp_ok(bytes_of("$data/log"), '<', 100_000, '... to which no records were copied');
    is(restore('--take-over'), 78, 'it is not empty any more');
    like($err, qr/^varve: \Q$data\E: the data directory is in use/, '... so it is left alone');

    # ---- the new one

    $broker->{options} = [ grep { !/^log\.dirs/ } @options ];
    $broker->restart;
    is(face($broker, 'cold', 'late', 'hot'), $was{face}, 'topics, settings and cluster are what they were');
    is(records($broker, 'cold'), $was{records}, 'and so is every record that had left the disk');
    cmp_ok(bytes_of("$data/log"), '<', 100_000, '... and is still in the store only');
    is(records($broker, 'hot'), '', 'what had not is gone');
    is(committed($broker, 'readers'), $was{readers}, 'a group goes on where it was');
    is(committed($broker, 'ahead'), $was{ends}, 'one that was ahead of that goes on where records do');
    ok(produce($broker, 'cold', 50_001, 50_100), 'new records');
    is(varve('consume -g ahead -b', $broker->address, q{cold --format '%k\n'}), 0, '... are read by that group');
    is(join(' ', sort $out =~ /(\w+)/g), join(' ', sort map { "k$_" } 50_001 .. 50_100), '... all of them');
    my $now = records($broker, 'cold');
    is(scalar(() = $now =~ /^/mg), 40_100, '... behind the old ones');
    ok(produce($broker, 'late', 1, 100) && produce($broker, 'hot', 1, 100), 'other topics take records');
    is(varve('tier offload -b', $broker->address, 'cold late'), 0, 'new ones go to the store') or diag $err;
    is(varve('tier status -b', $broker->address), 0, 'the cold tier works');
    like($out, qr/: works\n/, '... as it says') or diag $out;
    $broker->crash;
    $broker->restart;
    is(records($broker, 'cold'), $now, 'they are there after a crash, too');

    # ---- the one that was lost

    my $old = Varved->new(options => [ @options, "log.dirs=$data.old" ]);
    $old->launch;
    ok($old->is_ready, 'the one that was lost comes back on its own disk');
    ok(wait_until(sub { $old->said('err') =~ / error cold\.owner store=.*taken it over/ }),
        '... and finds that the store is not its own any more');
    is(varve('consume -b', $old->address, 'hot'), 0, '... it serves what it has');
    $old->stop;
    is(records($broker, 'cold'), $now, 'to the new one nothing has happened');
    $broker->stop;
    is(restore('--dry-run'), 0, 'a server that has stopped could be made anew at once') or diag $err;
    like($out, qr/when it stopped$/m, '... as of then');
    ColdTier::looks_well("after all that $what{name}", 'cold', @options);
    remove_tree("$data.old");
}

1;

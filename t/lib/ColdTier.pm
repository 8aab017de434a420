package ColdTier;
# varved with a real store as its cold tier, and what must hold for all of them.
#
#   my $tier = ColdTier->start($stored, 'tier.store.url=...');   $stored->(): how many bytes the store has;
#                                          none where the broker is not varved
#   $tier->moves;                          records leave for the store, and are read from there
#   $tier->outlasts($away, $back);         ... after the store was away: two functions that see to that
#   $tier->told('nobody there', qr/refused/, 'tier.store.url=...');      a start with other options says
#   $tier->is_well('the store'); $tier->shows_damage($flip);    varve scrub, varve tier ls and dump of what is there
#   $tier->broker; $tier->records;
use strict;
use warnings;
use JSON::PP;
use Records;
use Test::More;
use Tool;
use Varved;

sub start {
    my ($class, $stored, @options) = @_;
    my $self = bless { stored => $stored, options => [ 'remote.log.storage.system.enable=true',
        'checkpoint.interval.ms=200', @options ] }, $class;
    $self->{broker} = Varved->start(@{ $self->{options} });
    return if !$self->broker->is_varved;
    $self->{records} = Records->new($self->broker);
    unlike($self->broker->said('err'), qr/cold\.store/, 'a store that can be used is no event');
    return $self;
}

sub broker { return $_[0]{broker} }
sub records { return $_[0]{records} }

sub moves {
    my ($self) = @_;
    my ($broker, $records, $before) = ($self->broker, $self->records, $self->{stored}->());
    ok($records->topic('cold', '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
        '-c segment.bytes=1100000'), 'a topic that asks for the cold tier');
    ok($records->produce('cold', 60_000), 'records');
    ok(wait_until(sub { $self->{stored}->() - $before > 4_500_000 }), 'they are copied to the store');
    ok(wait_until(sub { $records->local_bytes < 1_500_000 }), '... and leave this disk');
    is($records->consume('cold'), 60_000, 'and are read from there');
    $broker->crash;
    $broker->restart;
    is($records->consume('cold'), 60_000, '... after a crash');
    $self->is_well('beside its server the store');
}

sub outlasts {
    my ($self, $away, $back) = @_;
    my $records = $self->records;
    $away->();
    ok($records->topic('hot', '--partitions 1'), 'while the store is away, topics are made');
    ok($records->produce('hot', 1000), '... records are taken');
    is($records->consume('hot'), 1000, '... and served');
    ok($records->produce('cold', 15_000), '... also in the topic with a cold tier');
    $back->();
    ok(wait_until(sub { $records->local_bytes < 1_700_000 }), 'when it is back, records leave as before');
    is($records->consume('cold'), 75_000, '... and all are there');
}

# ---- the tools, which need no server

# A command on the store with these settings.
sub on {
    my ($options, $command, @words) = @_;
    return varve($command, (map { "-o '$_'" } @$options), @words);
}

# The same without a server of ours: looks_well('the store', 'cold', 'tier.store.url=...').
sub looks_well {
    my ($what, $topic, @options) = @_;
    is(on(\@options, 'scrub'), 0, "$what is well, says varve scrub") or diag($out . $err);
    like($out, qr/: [1-9]\d* partitions, [1-9]\d* objects, .*: all is well$/m, '... of what is there');
    is(on(\@options, 'scrub --full'), 0, '... to the last byte') or diag($out . $err);
    like($out, qr/, [1-9]\d* batches read: all is well$/m, '... which was read');
    is(on(\@options, 'tier ls'), 0, 'varve tier ls') or diag($err);
    like($out, qr/^\Q$topic\E +0 +\d+ /m, '... shows what there is');
    my $largest = largest($topic, @options);
    is(on(\@options, 'tier dump', $largest), 0, "varve tier dump $largest") or diag($err);
    like($out, qr/^header: topic .*^footer: .*^chunk: .* state ok$/ms, '... what is in it');
}

# The object of a topic's first partition that has most; what was sealed by time may be of few chunks.
sub largest {
    my ($topic, @options) = @_;
    on(\@options, 'tier ls --json', "$topic/0") == 0 or diag($err);
    my ($one) = sort { $b->{stored_bytes} <=> $a->{stored_bytes} }
        grep { $_->{kind} eq 'segment' } map { decode_json($_) } split /\n/, $out;
    return $one->{key} // 'none';
}

sub is_well {
    my ($self, $what) = @_;
    looks_well($what, 'cold', @{ $self->{options} });
}

# $flip->($key) changes a bit of an object, and changes it back.
sub shows_damage {
    my ($self, $flip) = @_;
    my @options = @{ $self->{options} };
    my $key = largest('cold', @options);
    $flip->($key);
    is(on(\@options, 'scrub'), 0, 'a bit of an object has changed: a light scrub looks at sizes') or diag($out . $err);
    is(on(\@options, 'scrub --full'), 65, '... a full one finds it, by its exit code') or diag($err);
    like($out, qr/^damaged: \Q$key\E: topic cold, partition 0, offsets \d+ to \d+: .*chunk \d+ at byte \d+/m,
        '... and names it');
    like($err, qr/: 1 finding in /, '... alone');
    is(on(\@options, 'tier dump', $key), 65, '... as varve tier dump does');
    $flip->($key);
    is(on(\@options, 'scrub --full'), 0, '... until it is as it was') or diag($out . $err);
}

# Started so it ends at once, or says why the store can't be used.
sub told {
    my ($self, $what, $words, @changes) = @_;
    my %option = map { split /=/, $_, 2 } @{ $self->{options} }, @changes;
    my $other = Varved->new(options => [ map { "$_=$option{$_}" } keys %option ]);
    $other->launch;
    my $line;
    wait_until(sub { # a start waits for its store for some seconds only, and may be ready before this is told
        my $ended = $other->has_ended;
        ($line) = grep { /cold\.store|tier\./ } split /\n/, $other->said('err');
        return defined $line || $ended;
    });
    $other->is_ready;
    $other->end('TERM');
    like($line // '', $words, $what);
}

1;

#!/usr/bin/env perl
# A topic that lies in all three places, its oldest part only in the cold tier, a part on this disk and the newest
# in memory, as each client reads it: from the beginning, from a time, with a group and with the group's next member.
# Every record comes once, in order and byte for byte as it was sent, keys, values and headers of all bytes there are,
# of none and null.  While a client reads in one of these ways a producer goes on, until of each partition a segment
# more is in the store and one less on this disk; only then is it told up to where to read.  And what ListOffsets says
# of it, by name and by time, against what the tier tells of each segment, and what that costs at the store.
use strict;
use warnings;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Handle;
use List::Util qw(min sum0);
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(sleep);
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Records;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my ($kcat, @go) = (peer_program('kcat'), map { peer("$_/bin/$_") } qw(franz sarama));
my ($python, $run_java, $java) = map { peer($_) } qw(python/bin/python kafka-broker/run-class kafka-broker/bin/tool);
my $clients = ($ENV{srcdir} // '.') . '/t/clients';
my $build = $ENV{builddir} // '.';
my ($tool, $wirecall) = ($ENV{VARVE_TOOL} // "$build/server/tool/varve", "$build/t/wirecall");
my ($dir, $cold) = (tempdir(CLEANUP => 1), tempdir(CLEANUP => 1));
my $admin = Varved::free_port();
my ($partitions, $local) = (3, 500_000); # of each partition so many bytes stay here
my $patience = long_run() ? 600 : 180; # seconds

my $broker = Varved->start('remote.log.storage.system.enable=true', "tier.store.url=file://$cold",
    'checkpoint.interval.ms=200', 'wal.bytes=4194304', 'memory.bytes=16777216',
    "admin.listeners=127.0.0.1:$admin", 'group.initial.rebalance.delay.ms=0');
my $records = Records->new($broker);
my ($at, $topic) = ($broker->address, topic_name('places'));
$ENV{BOOTSTRAP} = $at;
$ENV{KAFKA_OPTS} = '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto';
$ENV{KAFKA_LOG_LEVEL} = 'error';

# ---- what is sent

my $noise = join '', map { chr(32 + rand 95) } 1 .. 1 << 16;
my $bytes = join '', map { chr } 0 .. 255;
my @text = map { chr =~ /[\w ]/a ? chr : sprintf '\\\\x%02x', $_ } 0 .. 255; # in JSON, for varve produce
my $began = int(time) * 1000 - 3_600_000;
sub time_of { return $began + 10 * $_[0] }

sub json_of { return defined $_[0] ? '"' . join('', @text[ unpack 'C*', $_[0] ]) . '"' : 'null' }
sub hex_of { return defined $_[0] ? unpack('H*', $_[0]) : '-' }

# Key, value and headers of the i-th record.
sub record_of {
    my ($i) = @_;
    my $all = substr($bytes, $i % 256) . substr($bytes, 0, $i % 256);
    my $value = (undef, '', ($all . substr $noise, rand(length($noise) - 1000), 500 + $i % 500) x 5)[$i % 7];
    return ((undef, '', "key $i", $all)[$i % 4], $value,
        (['h', "value $i"], ['h', undef], ["\xc3\xbc", ''], ['h', $all])[ 0 .. $i % 5 - 1 ]);
}

# As clients print it: a line for each record of each partition.  kcat shows no difference between a header's value
# that is null and "NULL", and its value up to the first 0 only: so much is compared of it.
my (@sent, @sent_to_kcat);
my $count = 0;
sub remember {
    my ($partition, $ms, $key, $value, @headers) = @_;
    my $line = join "\t", $partition, scalar @{ $sent[$partition] //= [] }, $ms, hex_of($key), hex_of($value), '';
    push @{ $sent[$partition] }, $line . join ',', map { hex_of($_->[0]) . '=' . hex_of($_->[1]) } @headers;
    push @{ $sent_to_kcat[$partition] }, $line . hex_of(join ',', map { "$_->[0]=" . ($_->[1] // 'NULL') =~ s/\0.*//sr }
        @headers);
}

sub send_to {
    my ($to, $codec, $batch, @lines) = @_;
    my (undef, $code) = run(join('', @lines), $tool, 'produce', '-b', $at, '--format', 'json', '--codec', $codec,
        '-p', $batch, $to);
    return $code == 0;
}

sub line_of {
    my ($partition, $ms, $key, $value, @headers) = @_;
    return sprintf qq({"partition":%d,"timestamp":%d,"key":%s,"value":%s,"headers":[%s]}\n), $partition, $ms,
        json_of($key), json_of($value),
        join ',', map { sprintf '{"key":%s,"value":%s}', map { json_of($_) } @$_ } @headers;
}

# So many more, around the partitions.
sub produce {
    my ($n, $codec) = @_;
    my @lines;
    for my $i ($count .. $count + $n - 1) {
        my @record = ($i % $partitions, time_of($i), record_of($i));
        remember(@record);
        push @lines, line_of(@record);
    }
    $count += $n;
    return send_to($topic, $codec, 'batch.size=32768', @lines);
}

# ---- clients: each writes PREFIX.start, .time, .group and .next, as t/clients/reader.py tells

my @ways = ('start', 'time', 'group', 'next');
my ($quarter, $half); # offsets: from where on it is read by time, and what a group's first member reads at least

my %command = (
    (map { (m{([^/]+)$} => [$_, 'read']) } @go),
    (map { ($_ => [$python, '-B', "$clients/reader.py", $_]) } qw(confluent kafka-python)),
    java => [$run_java, "$clients/Reader.java"],
);
my @clients = sort 'kcat', keys %command;

# kcat needs to be run for each, and to be ended; but a group's first member, which would commit a record that it
# doesn't print then, ends by itself.
# It takes up to 1000 records ahead; with a limit below, its librdkafka would wait for a second each time it is reached.
sub read_with_kcat {
    my ($ms, $group, $prefix) = @_;
    my @how = ('-C', '-t', $topic, '-m', 60, '-o');
    my %how = (start => [@how, 'beginning'], time => [@how, "s\@$ms"],
        group => ['-c', $half * $partitions, '-G', $group, $topic], next => ['-G', $group, $topic]);
    for my $way (@ways) {
        my ($text, @next, @ends) = ('');
        open(my $to, '>:raw', "$prefix.$way") or die "$prefix.$way: $!";
        $to->autoflush;
        my $pid = open(my $from, '-|', $kcat, '-b', $at, '-q', '-f', '%p %o %T %K %S|%k%s%h<end>\n', map({ ('-X', $_) }
            qw(check.crcs=true auto.offset.reset=earliest max.partition.fetch.bytes=65536 queued.min.messages=1000)),
            @{ $how{$way} }) // die "$kcat: $!";
        while (sysread($from, $text, 1 << 16, length $text)) {
            my $done = 0;
            while ($text =~ /\G(\d+) (\d+) (\d+) (-?\d+) (-?\d+)\|/g) {
                my ($front, $here, $key, $value) = ("$1\t$2\t$3", pos($text), $4, $5);
                my ($key_n, $value_n) = map { $_ < 0 ? 0 : $_ } $key, $value;
                my $end = index $text, "<end>\n", $here + $key_n + $value_n;
                last if $end < 0;
                $next[$1] = $2 + 1;
                my ($k, $v, $h) = unpack "x$here a$key_n a$value_n a" . ($end - $here - $key_n - $value_n), $text;
                print $to join("\t", $front, hex_of($key < 0 ? undef : $k), hex_of($value < 0 ? undef : $v), hex_of($h)),
                    "\n";
                pos($text) = $done = $end + 6;
            }
            substr($text, 0, $done) = '';
            sleep 0.02 while @next && $way ne 'group' && !-e "$prefix.$way.until";
            @ends = split / /, text_of("$prefix.$way.until");
            kill TERM => $pid if $way ne 'group' && @ends && !grep { ($next[$_] // 0) < $ends[$_] } 0 .. $#ends;
        }
        close $from;
    }
}

# They read up to there, of each partition.
sub end_at {
    my ($client, $way, @ends) = @_;
    my $file = "$dir/$client.$way.until";
    open(my $f, '>', "$file.new") or die "$file: $!";
    print $f "@ends";
    close $f or die "$file: $!";
    rename "$file.new", $file or die "$file: $!";
}

my %pid;
sub begin {
    my ($client) = @_;
    my @args = (time_of($quarter * $partitions) - 5, topic_name($client), "$dir/$client");
    unlink glob "$dir/$client.*";
    end_at($client, 'group', ($half) x $partitions);
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        %pid = ();
        setpgrp();
        open(STDERR, '>', "$dir/$client.err") or POSIX::_exit(1);
        eval {
            read_with_kcat(@args) if $client eq 'kcat';
            exec @{ $command{$client} }, $topic, $partitions, @args or die "$client: $!" if $client ne 'kcat';
        };
        print STDERR $@;
        POSIX::_exit(0);
    }
    $pid{$pid} = $client;
}
END { kill 'KILL', map { -$_ } keys %pid if %pid }

# Where a line is not what it should be.
sub difference {
    my ($want, $got) = @_;
    my ($same) = ("$want\n" ^ "$got\n") =~ /^(\0*)/;
    my ($want_there, $got_there) = map { substr $_, length($same) > 20 ? length($same) - 20 : 0, 100 } $want, $got;
    return "from character @{[ length $same ]} on ...$got_there... instead of ...$want_there...";
}

# All that is in the files of these ways is as it was sent, of each partition from the first to its end at least; that
# it had one means that segments have moved.
sub judge {
    my ($client, $what, $first, $ends, @of) = @_;
    my ($want, @next) = ($client eq 'kcat' ? \@sent_to_kcat : \@sent, ($first) x $partitions);
    my @wrong = map { "never told where to end: $_" } grep { !-e "$dir/$client.$_.until" } @of;
    for my $way (@of) {
        my $f;
        if (!open $f, '<:raw', "$dir/$client.$way") {
            push @wrong, "$way: $!";
            next;
        }
        while (my $line = <$f>) {
            chomp $line;
            my $partition = $line =~ /^(\d)\t/ ? $1 : 0;
            my $sent = $want->[$partition][ $next[$partition]++ ] // 'none';
            push @wrong, "partition $partition, offset @{[ $next[$partition] - 1 ]}: " . difference($sent, $line)
                if $line ne $sent && @wrong < 3;
        }
    }
    push @wrong, map { "partition $_ ends at $next[$_], before $ends->[$_]" }
        grep { $next[$_] < ($ends->[$_] // 0) } 0 .. $partitions - 1;
    ok(!@wrong, "$client, $what: each record as it was sent, while segments moved")
        or diag(join("\n", @wrong), "\n", text_of("$dir/$client.err"));
}

# ---- where things are

# What is counted under that name, by its labels.
sub counted {
    my ($name) = @_;
    my $http = HTTP::Tiny->new(proxy => undef, http_proxy => undef);
    return $http->get("http://127.0.0.1:$admin/metrics")->{content} =~ /^$name\{(.*)\} (\d+)$/mg;
}

# Bytes that were fetched from there.
sub fetched {
    my %n = counted('varve_fetch_bytes_total');
    return map { /^source="(\w+)"$/ ? ($1 => $n{$_}) : () } keys %n;
}

# What the tier tells of each: objects without others in them, which JSON::PP would take long for.
sub segments {
    return map { +{ /"(\w+)":"?(-?\w+)/g } } lines_of(undef, $tool, qw(tier explain --json -b), $at, $topic);
}

# Of each partition the first offset that has a file on this disk, and the end of what is in the store.
my $id; # the topic's; it is asked for when no other has a second partition: later, groups' offsets may
sub places {
    my $log = $broker->dir . '/data/log/*';
    ($id) = map { m{([^/]+)\.1$} } glob "$log/*.1" if !defined $id;
    my (@here, @stored);
    for my $p (0 .. $partitions - 1) {
        $here[$p] = min(map { m{(\d+)\.log$} } glob "$log/$id.$p/*.log") // 0;
        $stored[$p] = 0;
    }
    $stored[$_->{partition}] = $_->{next} for grep { $_->{where} ne 'here' } segments();
    return (@here, @stored);
}

# So much is here of each partition and its oldest part is not, and no more to do.
sub settled {
    return wait_until(sub {
        my $here = sum0(map { $_->{bytes} } grep { $_->{where} ne 'cold' } segments());
        return $here < $partitions * ($local * 1.1 + 150_000) && !grep { $_ == 0 } places();
    });
}

# ---- ListOffsets

my %named = ('earliest-local' => -4, 'latest-tiered' => -5, 'earliest-pending-upload' => -6);
my @names = sort keys %named;

# Offsets at times, of which those below zero are names.
sub offsets_at {
    my ($of, @times) = @_;
    return map { s/^NONE //r } lines_of(join('', map { "at $of $_\n" } @times), $wirecall, $broker->{port});
}

# The offsets of @names, by where each segment of partition 0 is.
sub explained {
    my @s = grep { $_->{partition} == 0 } segments();
    my ($here) = grep { $_->{where} ne 'cold' } @s;
    my ($stored) = grep { $_->{where} ne 'here' } reverse @s;
    return ($here->{from}, $stored->{next}, $stored->{next} - 1);
}

# Segments that have left are on this disk up to the next checkpoint, so what is told of them may be late.
sub look_up {
    my (@told, @got);
    wait_until(sub {
        @told = explained();
        @got = offsets_at($topic, @named{@names});
        return "@got" eq "@told";
    });
    is_deeply(\@got, \@told, "@names: as the tier tells of each segment");
    ok(0 < $got[0] && $got[0] <= $got[2] && $got[1] < @{ $sent[0] }, '... since records are in all three places')
        or diag("@got");
    for my $i (long_run() ? 0 .. $#names : 2) {
        my ($text) = run(undef, $java, 'get-offsets', '--bootstrap-server', $at, '--topic', $topic, '--time', $names[$i]);
        my ($offset) = $text =~ /^\Q$topic\E:0:(\d+)$/m;
        my ($now) = offsets_at($topic, $named{$names[$i]});
        ok(defined $offset && $got[$i] <= $offset && $offset <= $now, "... and Kafka's tool: $names[$i]")
            or diag("$text is not from $got[$i] to $now");
    }
    my $cold = int($got[0] / 2);
    my $last = $#{ $sent[0] };
    my ($then, $now) = map { time_of($partitions * $_) } $cold, $last;
    is_deeply([ offsets_at($topic, -2, $then - 5, $now, $now + 1, -3) ], [ 0, $cold, $last, -1, $last ],
        'times, of what is cold and of what is in memory');
}

# Topics of which all is in the store: of one, so many segments that the manifest has a page.
my ($late, $paged) = map { topic_name($_) } qw(late paged);
my ($newest, $pages) = (700, long_run());

sub make_cold {
    my ($name, $bytes, $batch, @records) = @_;
    return $records->topic($name, '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
        "-c segment.bytes=$bytes -c retention.ms=-1") && send_to($name, 'none', $batch, @records)
        && $records->varve('tier offload --wait 900', $name, '>/dev/null')
        && wait_until(sub { (offsets_at($name, -4))[0] == @records });
}

# GETs for a topic since the start of the server.
sub gets_of {
    my ($name) = @_;
    my %n = counted('varve_store_requests_total');
    return $n{qq(store="directory",operation="get",outcome="ok",topic="$name")} // 0;
}

sub count_gets {
    is_deeply([ offsets_at($late, time_of(300)) ], [300], 'a time of what is cold, for the first time');
    my $first = gets_of($late);
    cmp_ok($first, '<=', 2, '... is read of the root and one chunk');
    is_deeply([ offsets_at($late, time_of(300), time_of(301)) ], [ 300, 301 ], '... and then known');
    is(gets_of($late), $first, '... without reading again');
    is_deeply([ offsets_at($late, -3, time_of($newest + 200)) ], [ $newest, $newest ],
        'the newest record there, which is not the last');
    cmp_ok(gets_of($late) - $first, '<=', 1, '... is in one other chunk');
    return if !$pages;
    is_deeply([ offsets_at($paged, time_of(300)) ], [300], 'a time behind a page of the manifest');
    is(gets_of($paged), 3, '... is read of the root, the page and one chunk');
    is_deeply([ offsets_at($paged, time_of(301)) ], [301], '... one more');
    is(gets_of($paged), 4, '... of a chunk');
}

# ---- while segments move

# A producer goes on until all clients have ended.  Who has begun to read in one of its ways is told where to end, the
# offsets by client and way, once segments have moved.
sub read_and_move {
    my (%before, %ends, %left);
    my $until = time + $patience;
    $left{$_} = [grep { $_ ne 'group' } @ways] for @clients;
    while (%pid) {
        my @begun = grep { @{ $left{$_} } && -s "$dir/$_.$left{$_}[0]" } sort values %pid;
        my @now = places();
        for my $client (@begun) {
            my $way = $left{$client}[0];
            my $then = $before{$client}{$way} //= [@now];
            next if grep { $now[$_] <= $then->[$_] } 0 .. $#now;
            $ends{$client}{$way} = [map { scalar @$_ } @sent];
            end_at($client, shift @{ $left{$client} }, @{ $ends{$client}{$way} });
        }
        if (%before) {
            produce(60, 'none') or diag('the producer that goes on has failed');
        }
        sleep 0.1;
        kill 'KILL', map { -$_ } keys %pid if time > $until; # who hangs has too few records
        while ((my $pid = waitpid(-1, WNOHANG)) > 0) {
            delete $pid{$pid};
        }
    }
    return %ends;
}

# ---- all of it

ok(make_cold($late, 262_144, 'batch.size=65536', map { line_of(0, time_of($_ == $newest ? 5000 : $_), undef,
    substr $noise, $_, 1000) } 0 .. 1199), 'a topic that is all cold');
ok(make_cold($paged, 100, 'batch.num.messages=1', map { line_of(0, time_of($_), undef, 'x') } 0 .. 1999),
    'another, of many segments') if $pages;
ok($records->topic($topic, "--partitions $partitions -c remote.storage.enable=true -c segment.bytes=65536",
    "-c local.retention.bytes=$local -c retention.ms=-1"), 'a topic');
for my $round (1 .. (long_run() ? 2 : 1)) {
    ok(produce(1000, 'none') && produce(1000, 'lz4'), 'records that leave this disk');
    ok(produce(2000, 'none'), 'records that stay');
    system("$tool tier offload -b $at $topic >/dev/null") == 0 or diag('no offload');
    $broker->restart; # then nothing of it is in memory
    ok(produce(300, 'zstd') && produce(300, 'none'), 'records in memory');
    ok(settled(), 'all are where they should be');
    look_up();
    count_gets();

    my %before = fetched();
    ($quarter, $half) = map { int($count / $partitions / $_) } 4, 2;
    begin($_) for @clients;
    my %ends = read_and_move();
    for my $client (@clients) {
        judge($client, 'from the beginning', 0, $ends{$client}{start}, 'start');
        judge($client, 'from a time', $quarter, $ends{$client}{time}, 'time');
        judge($client, 'with a group and its next member', 0, $ends{$client}{next}, 'group', 'next');
    }
    my %after = fetched();
    cmp_ok($after{$_} - ($before{$_} // 0), '>', 300_000, "a part of it was read from here: $_")
        for qw(cold file memory);
}
$broker->stop;
done_testing;

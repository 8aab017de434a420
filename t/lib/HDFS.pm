package HDFS;
# HDFS for one test script: the peer hdfs, in memory where there is room; it ends with the script.
#
#   my $hdfs = HDFS->start('pair', 'nodes=2', 'dfs.replication=2');    as t/peers/hdfs/bin/start has it
#   $hdfs->url('root');                         hdfs://HOST:PORT[,HOST:PORT]/root; with 'tls' swebhdfs://
#   $hdfs->ca;                                  then the certificate that its own have signed; else ''
#   $hdfs->end('dn1'); $hdfs->again;            kill -9; start what doesn't run
#   $hdfs->tool('tools.DFSAdmin', '-safemode', 'enter');
#   $hdfs->says('put', 'k/a', 1000);            what t/hdfscall prints on it, as a user that may all
#   $hdfs->flip('/varve/d/...');                a bit of a file
#   $hdfs->tests('suite', 'suite/');            t/hdfscall's tests become ours
#   $hdfs->through($proxy)->tests(...);         the same with another address of its one name node
use strict;
use warnings;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use Records;
use Test::More;
use Varved;

my $call = ($ENV{builddir} // '.') . '/t/hdfscall';
my @all;

# A container may have little of it.
sub has_memory { return -w '/dev/shm' && run(undef, 'df', '-k', '--output=avail', '/dev/shm') =~ /(\d+)$/m && $1 > 1 << 20 }

sub start {
    my ($class, @options) = @_;
    peer('hdfs/bin/start');
    my $self = bless { options => \@options,
        dir => tempdir('hdfs-XXXXXX', has_memory() ? (DIR => '/dev/shm') : (TMPDIR => 1)) }, $class;
    push @all, $self;
    $self->again;
    return $self;
}

sub again {
    my ($self) = @_;
    my ($names, $code) = run(undef, peer('hdfs/bin/start'), $self->{dir}, @{ $self->{options} });
    $code == 0 or die "HDFS does not start\n";
    chomp($self->{names} = $names);
}

sub end {
    my ($self, $name) = @_;
    chomp(my $pid = text_of("$self->{dir}/$name.pid"));
    kill KILL => $pid;
    wait_until(sub { !kill 0 => $pid }) or die "$name does not end\n";
}

# The names in the order that is wanted: "nn2,nn1", or as they are.
sub url { return ($_[0]->ca ? 'swebhdfs' : 'hdfs') . "://$_[0]{names}/" . ($_[1] // 'varve') }
sub ca { return (grep { $_ eq 'tls' } @{ $_[0]{options} }) ? "$_[0]{dir}/tls.crt" : '' }
sub port { my ($self, $name) = @_; chomp(my $port = text_of("$self->{dir}/$name.port")); return $port }

sub tool {
    my ($self, @args) = @_;
    my ($out, $code) = run(undef, 'sh', '-c', 'exec "$@" 2>/dev/null', 'sh', peer('hdfs/bin/tool'),
        $self->{dir}, @args);
    return $code == 0;
}

# Another way to it: it ends with this one.
sub through {
    my ($self, $proxy) = @_;
    return bless { %$self, names => $proxy->address }, ref $self;
}

# What hdfscall is called with; -x options of its may come first.
sub words {
    my ($self, @args) = @_;
    my @options;
    push @options, shift @args while $args[0] =~ /^-/ || (@options && $options[-1] =~ /^-[uts]$/);
    return ($call, '-u', 'hdfs', '-c', $self->ca, @options, $self->url, @args);
}

sub says {
    my ($self, @args) = @_;
    my $said = run(undef, $self->words(@args));
    chomp $said;
    return $said;
}

# By curl, something below /webhdfs/v1.
sub web {
    my ($self, $name, $what, @options) = @_;
    my $scheme = $self->ca ? 'https' : 'http';
    return run(undef, qw(curl -sfL --noproxy * --max-time 30), $self->ca ? ('--cacert', $self->ca) : (), @options,
        "$scheme://$name/webhdfs/v1$what&user.name=hdfs");
}

# What the files of all have, as the name node that is active tells: data nodes lag behind with what is deleted.
sub stored_bytes {
    my ($self) = @_;
    for my $name (split /,/, $self->{names}) {
        my $answer = $self->web($name, '/?op=GETCONTENTSUMMARY');
        return $1 if $answer =~ /"length":(\d+)/;
    }
    die "no name node tells what is stored\n";
}

sub flip {
    my ($self, $path) = @_;
    my $copy = "$self->{dir}/flipped";
    my ($name) = split /,/, $self->{names};
    (undef, my $code) = $self->web($name, "$path?op=OPEN", '-o', $copy);
    $code == 0 or die "$path can't be read\n";
    flip_bit($copy);
    (undef, $code) = $self->web($name, "$path?op=CREATE&overwrite=true", '-T', $copy);
    $code == 0 or die "$path can't be written\n";
    unlink $copy;
}

sub tests {
    my ($self, @args) = @_;
    take_tests($self->words(@args));
}

END {
    my $code = $?;
    for my $self (@all) {
        system(peer('hdfs/bin/stop'), $self->{dir}, 'KILL');
        if ($code == 0 && Test::More->builder->is_passing) {
            remove_tree($self->{dir});
        } else {
            diag("kept: $self->{dir}");
        }
    }
    $? = $code;
}

1;
